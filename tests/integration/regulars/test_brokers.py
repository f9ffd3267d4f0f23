"""Each kind of broker, started for real: it answers, it crashes, it comes back."""

from pathlib import Path

import pytest

from regulars.embedded.broker import EmbeddedBroker
from regulars.embedded.kafka import ApacheKafka
from regulars.embedded.metadata import answers, broker_count
from regulars.errors import PortTaken
from regulars.ports import HOST

pytestmark = pytest.mark.broker


def _host_and_port(bootstrap_servers: str) -> tuple[str, int]:
    host, _, port = bootstrap_servers.rpartition(":")
    return host, int(port)


def test_a_metadata_answer_lists_the_broker(any_broker: str) -> None:
    assert broker_count(*_host_and_port(any_broker)) == 1


def test_a_killed_broker_starts_again(any_private_broker: EmbeddedBroker | ApacheKafka) -> None:
    server = any_private_broker
    first = server.pid
    server.kill()
    assert not answers(HOST, server.port)
    server.start()
    assert server.pid not in (None, first)
    assert answers(HOST, server.port)


def test_a_stopped_broker_frees_its_port(private_broker: EmbeddedBroker) -> None:
    private_broker.stop()
    private_broker.start()
    assert broker_count(HOST, private_broker.port) == 1


def test_memory_is_known_while_it_runs(private_broker: EmbeddedBroker) -> None:
    assert private_broker.memory_bytes > 1_000_000
    private_broker.stop()
    assert private_broker.memory_bytes == 0


def test_a_taken_broker_port_is_named(private_broker: EmbeddedBroker, tmp_path: Path) -> None:
    with pytest.raises(PortTaken, match=f"port {private_broker.port} \\(broker\\)"):
        EmbeddedBroker(tmp_path, private_broker.port).start()


def test_a_lost_executable_bit_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedded_broker: EmbeddedBroker
) -> None:
    original = embedded_broker._program()
    plain = tmp_path / "tansu"
    plain.write_bytes(original.read_bytes())
    plain.chmod(0o644)
    monkeypatch.setattr("regulars.embedded.broker.tansu_program", lambda: plain)
    program = EmbeddedBroker(tmp_path / "data", 1)._program()
    assert program != plain
    assert program.stat().st_mode & 0o111
