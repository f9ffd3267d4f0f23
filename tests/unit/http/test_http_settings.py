"""Settings come from the environment, whole or not at all."""

from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings, SettingsError


class SampleSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    window_days: int = 28


REQUIRED = {
    "DATABASE_URL": "postgresql://sample:secret@127.0.0.1/sample",
    "BOOTSTRAP_SERVERS": "127.0.0.1:8011",
    "PORT": "8002",
    "KEYS_FILE": "/etc/regulars/keys.json",
    "SERVICE_KEY": "rgl_service",
    "DATA_DIR": "/var/lib/regulars/sample",
    "CURRENCY": "USD",
    "TIME_ZONE": "America/New_York",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(f"SAMPLE_{name}", value)
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_a_whole_environment_is_read() -> None:
    settings = SampleSettings.load()
    assert settings.database_url.get_secret_value() == REQUIRED["DATABASE_URL"]
    assert settings.keys_file == Path("/etc/regulars/keys.json")
    assert (settings.host, settings.port, settings.partitions, settings.window_days) == ("127.0.0.1", 8002, 4, 28)
    assert settings.clock_offset_file is None


@pytest.mark.usefixtures("environment")
def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(SampleSettings.load())
    assert "rgl_service" not in str(SampleSettings.load())


def test_every_missing_variable_is_named_with_what_to_do(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("SAMPLE_DATABASE_URL")
    environment.delenv("SAMPLE_CURRENCY")
    with pytest.raises(SettingsError) as refused:
        SampleSettings.load()
    assert "SAMPLE_DATABASE_URL is missing (postgresql:// address" in str(refused.value)
    assert "SAMPLE_CURRENCY is missing" in str(refused.value)
    assert "set it in the environment" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "0"),
        ("PARTITIONS", "0"),
        ("PARTITIONS", "5000"),
        ("CURRENCY", "usd"),
        ("TIME_ZONE", "Mars/Olympus"),
        ("LOG_LEVEL", "loud"),
        ("DRAIN_SECONDS", "11"),
        ("PEERS", '{"ingest": "nowhere"}'),
    ],
)
def test_a_wrong_value_is_named_and_bounded(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(f"SAMPLE_{name}", value)
    with pytest.raises(SettingsError, match=f"SAMPLE_{name} is wrong"):
        SampleSettings.load()


def test_peers_that_are_no_json_are_an_error_and_not_a_trace(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SAMPLE_PEERS", "ingest=http://x")
    with pytest.raises(SettingsError, match="peers"):
        SampleSettings.load()


def test_a_wrong_value_is_not_repeated(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SAMPLE_PORT", "hunter2")
    with pytest.raises(SettingsError) as refused:
        SampleSettings.load()
    assert "hunter2" not in str(refused.value)


def test_peers_have_addresses_without_a_trailing_slash(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SAMPLE_PEERS", '{"ingest": "http://127.0.0.1:8001"}')
    settings = SampleSettings.load()
    assert settings.peer_url("ingest") == "http://127.0.0.1:8001"
    with pytest.raises(SettingsError, match="SAMPLE_PEERS names no address for 'churn'"):
        settings.peer_url("churn")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", {}), ("{}", {}), ('{"retail.behaviour.v1": 90}', {"retail.behaviour.v1": 90})],
)
def test_how_long_events_are_kept_is_a_setting(
    environment: pytest.MonkeyPatch, given: str, kept: dict[str, int]
) -> None:
    environment.setenv("SAMPLE_RETENTION_DAYS", given)
    assert SampleSettings.load().retention_days == kept


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        ('{"retail.behaviour.v1": 3}', "give it 30 to 3650"),
        ('{"retail.receipts.v1": 90}', "take it out, or name one of"),
        ('{"retail.behaviour.v1": "long"}', "valid integer"),
        ("90", "valid dictionary"),
        ("ninety", "it is not JSON, such as"),
    ],
)
def test_a_time_that_cannot_be_kept_to_is_refused_with_its_cure(
    environment: pytest.MonkeyPatch, given: str, cure: str
) -> None:
    environment.setenv("SAMPLE_RETENTION_DAYS", given)
    with pytest.raises(SettingsError, match=f"SAMPLE_RETENTION_DAYS is wrong: .*{cure}"):
        SampleSettings.load()


def test_traces_are_sent_nowhere_where_the_address_is_empty(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SAMPLE_TRACES_URL", "")
    assert SampleSettings.load().traces_url is None
