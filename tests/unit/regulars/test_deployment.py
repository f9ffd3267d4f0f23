"""What a service's processes are told, and which broker is chosen."""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from regulars import engines
from regulars.credentials import Secrets, load_or_make_secrets
from regulars.deployment import Backing, Choices, UpOptions, service_environment
from regulars.embedded.broker import EmbeddedBroker
from regulars.embedded.kafka import ApacheKafka
from regulars.engines import chosen_broker
from regulars.errors import BrokerUnavailable
from regulars.external import ExternalBroker, host_ports
from regulars.folder import DataFolder
from regulars.services_table import SERVICES, ServiceSpec

BACKING = Backing(
    {name: f"postgresql://{name}@127.0.0.1:8010/{name}" for spec in SERVICES for name in spec.databases},
    "127.0.0.1:8011",
)


@pytest.fixture
def options(tmp_path: Path) -> UpOptions:
    folder = DataFolder.of(tmp_path)
    folder.make()
    return UpOptions(folder)


@pytest.fixture
def secrets(options: UpOptions) -> Secrets:
    return load_or_make_secrets(options.folder, [service.name for service in SERVICES])


def _service(name: str) -> ServiceSpec:
    return next(service for service in SERVICES if service.name == name)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_service_is_told_its_own_addresses(options: UpOptions, secrets: Secrets, service: ServiceSpec) -> None:
    env = service_environment(options, service, BACKING, secrets)
    prefix = service.name.upper()
    assert env[f"{prefix}_DATABASE_URL"] == BACKING.databases[service.name]
    assert env[f"{prefix}_PORT"] == str(8000 + service.number)
    assert env[f"{prefix}_WORKER_PORT"] == str(8020 + service.number)
    assert json.loads(env[f"{prefix}_PEERS"])["ingest"] == "http://127.0.0.1:8001"
    others = {other.name.upper() for other in SERVICES} - {prefix}
    assert not [name for name in env if name.partition("_")[0] in others]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_service_can_start_with_what_it_is_told(
    options: UpOptions, secrets: Secrets, service: ServiceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in service_environment(options, service, BACKING, secrets).items():
        monkeypatch.setenv(name, value)
    settings = import_module(f"{service.package}.settings").Settings.load()
    assert settings.port == 8000 + service.number
    assert settings.worker_port == 8020 + service.number
    assert settings.peer_url("ingest") == "http://127.0.0.1:8001"


def test_only_ingest_holds_the_deployment_key_and_the_vault(options: UpOptions, secrets: Secrets) -> None:
    holders = [
        service.name
        for service in SERVICES
        if secrets.deployment_key_text in service_environment(options, service, BACKING, secrets).values()
    ]
    assert holders == ["ingest"]
    assert [service.name for service in SERVICES if "vault" in service.databases] == ["ingest"]


def test_recommend_and_campaign_hold_keys_of_two_namespaces(options: UpOptions, secrets: Secrets) -> None:
    for name in ("recommend", "campaign"):
        env = service_environment(options, _service(name), BACKING, secrets)
        assert set(json.loads(env[f"{name.upper()}_IDENTITY_KEYS"])) == {"loyalty_card", "user_id"}


def test_settings_that_up_does_not_decide_come_from_the_caller(
    options: UpOptions, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHURN_LOG_LEVEL", "debug")
    monkeypatch.setenv("CHURN_PORT", "1")
    env = service_environment(options, _service("churn"), BACKING, secrets)
    assert env["CHURN_LOG_LEVEL"] == "debug"
    assert env["CHURN_PORT"] == "8004"


def test_currency_and_time_zone_are_kept_with_the_data(options: UpOptions) -> None:
    assert options.choices() == Choices("USD", "UTC")
    replace(options, currency="CNY", time_zone="Asia/Shanghai").choices().save(options.folder)
    assert options.choices() == Choices("CNY", "Asia/Shanghai")
    assert replace(options, currency="EUR").choices() == Choices("EUR", "Asia/Shanghai")


def test_a_given_broker_is_taken(options: UpOptions) -> None:
    broker = chosen_broker(replace(options, broker="kafka.example:9092"))
    assert isinstance(broker, ExternalBroker)


def test_the_embedded_broker_is_taken_where_it_exists(options: UpOptions) -> None:
    assert isinstance(chosen_broker(options), EmbeddedBroker)


def test_kafka_from_its_jars_is_the_next_choice(options: UpOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "tansu_program", lambda: None)
    monkeypatch.setattr(engines, "why_unavailable", lambda: None)
    assert isinstance(chosen_broker(options), ApacheKafka)


def test_without_any_broker_it_says_how_to_get_one(options: UpOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "tansu_program", lambda: None)
    monkeypatch.setattr(engines, "why_unavailable", lambda: "Java not found")
    with pytest.raises(BrokerUnavailable, match=r"Java not found.*--broker HOST:PORT"):
        chosen_broker(options)


def test_broker_addresses_are_split() -> None:
    assert host_ports("a:1, b.example:2,[::1]:3") == [("a", 1), ("b.example", 2), ("::1", 3)]


@pytest.mark.parametrize("text", ["", "host", "host:", ":9092", "host:port"])
def test_odd_broker_addresses_are_refused(text: str) -> None:
    with pytest.raises(BrokerUnavailable, match="is not HOST:PORT"):
        host_ports(text)
