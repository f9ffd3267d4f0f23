"""The settings that every service has, read once from the environment under the service's prefix."""

import json
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSource

from shared.events.retention import checked


class SettingsError(Exception):
    """The process cannot start; the message names each variable at fault and what to do about it."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is no IANA time zone, such as America/New_York") from error
    return name


def _parsed(given: object) -> object:
    """Read JSON text; none is an empty object, as compose files give it for what is not set."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given or "{}")
    except ValueError as error:
        raise ValueError('it is not JSON, such as {"retail.behaviour.v1": 90}') from error


TimeZoneName = Annotated[str, AfterValidator(_zone)]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class ServiceSettings(BaseSettings):
    """Common fields; a service subclasses it with `model_config = SettingsConfigDict(env_prefix="PROFILE_")`.

    Required values have no default. `load()` is the way in: it turns all faults into one `SettingsError`.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: SecretStr = Field(description="postgresql:// address of this service's own database")
    bootstrap_servers: str = Field(min_length=1, description="Kafka brokers, host:port separated by commas")
    host: str = Field(default="127.0.0.1", min_length=1, description="address the HTTP API listens on")
    port: int = Field(ge=1, le=65535, description="port the HTTP API listens on")
    worker_port: int | None = Field(
        default=None, ge=1, le=65535, description="port of the worker's health and metrics; none when not set"
    )
    keys_file: Path = Field(description="API keys (JSON), read again when the file changes")
    service_key: SecretStr = Field(description="API key this service shows to the others")
    peers: dict[str, HttpUrl] = Field(
        default_factory=dict, description="JSON: service name to base URL, to fill gaps of their logs"
    )
    partitions: int = Field(default=4, ge=1, le=1024, description="partitions of every topic, the same everywhere")
    replicas: int = Field(default=1, ge=1, le=9, description="replicas of every topic; 3 in production")
    clock_offset_file: Path | None = Field(default=None, description="shifts the clock; for demonstrations")
    data_dir: Path = Field(description="folder for this service's files")
    log_format: Literal["console", "json"] = Field(default="json", description="how log lines are written")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe line written"
    )
    traces_url: Annotated[HttpUrl | None, BeforeValidator(lambda given: given or None)] = Field(
        default=None, description="OTLP/HTTP address that spans are sent to, …/v1/traces; none are made when empty"
    )
    traces_share: float = Field(
        default=0.1, ge=0, le=1, description="share of traces of which spans are made, the same everywhere"
    )
    currency: CurrencyCode = Field(description="ISO 4217 code of the chain's figures")
    time_zone: TimeZoneName = Field(description="IANA zone of the chain's days")
    retention_days: Annotated[dict[str, int], NoDecode, BeforeValidator(_parsed), AfterValidator(checked)] = Field(
        default_factory=dict,
        description="JSON: topic to days that its events are kept, where not the catalogue's; the same everywhere",
    )
    stall_seconds: float = Field(
        default=60.0,
        ge=5,
        le=3600,
        description="seconds after which a worker that has events to apply and applies none ends itself",
    )
    drain_seconds: float = Field(
        default=0,
        ge=0,
        le=10,
        description="seconds the API serves on after SIGTERM, for load balancers to notice",
    )

    def peer_url(self, service: str) -> str:
        """Return another service's base URL without a trailing slash; raise `SettingsError` when not set."""
        url = self.peers.get(service)
        if url is None:
            raise SettingsError(f"{_variable(type(self), 'peers')} names no address for {service!r}; add it there.")
        return str(url).rstrip("/")

    @classmethod
    def load(cls) -> Self:
        """Read the environment; raise `SettingsError` naming every variable that is missing or wrong."""
        try:
            return cls()
        except ValidationError as error:
            faults = [_fault(cls, str(item["loc"][0]), item["type"], item["msg"]) for item in error.errors()]
        except UnreadableSource as error:
            faults = [f"a variable is not the JSON it should be ({error})"]
        raise SettingsError(f"{cls.__module__} cannot start:\n" + "\n".join(f"  - {fault}" for fault in faults))


def _fault(settings: type[ServiceSettings], field: str, kind: str, message: str) -> str:
    name = _variable(settings, field)
    if kind == "missing":
        purpose = settings.model_fields[field].description
        return f"{name} is missing ({purpose}); set it in the environment, or start all by `regulars up`"
    return f"{name} is wrong: {message}"


def _variable(settings: type[ServiceSettings], field: str) -> str:
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()
