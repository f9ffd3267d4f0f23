"""Free ports and blocks of them."""

import socket

import pytest

from regulars import ports
from regulars.ports import BLOCK_SIZE, free_port, free_port_block, port_is_free, taken_ports
from regulars.services_table import SERVICES, PortPlan


def test_a_port_in_use_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not port_is_free(port)
        assert taken_ports([port]) == [port]
    assert port_is_free(port)


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert server.getsockname()[1] > 0


def test_a_block_avoids_ports_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    base = free_port_block()
    monkeypatch.setattr(ports, "_BLOCK_RANGE", range(base, base + 1))
    assert free_port_block(3) == base
    with socket.create_server(("127.0.0.1", base + 2)), pytest.raises(OSError, match="no 3 consecutive"):
        free_port_block(3)


def test_every_port_of_a_deployment_lies_in_its_block_once() -> None:
    plan = PortPlan(8000)
    used = [plan.postgres, plan.broker, plan.broker_controller]
    used += [port for service in SERVICES for port in (plan.api(service), plan.worker(service))]
    assert len(set(used)) == len(used)
    assert set(used) <= set(range(8000, 8000 + BLOCK_SIZE))


def test_addresses_are_the_documented_ones() -> None:
    plan = PortPlan(8000)
    assert {service.name: plan.api(service) for service in SERVICES} == {
        "ingest": 8001,
        "profile": 8002,
        "recommend": 8003,
        "churn": 8004,
        "campaign": 8005,
    }
    assert (plan.postgres, plan.broker) == (8010, 8011)
    assert [plan.worker(service) for service in SERVICES] == [8021, 8022, 8023, 8024, 8025]
