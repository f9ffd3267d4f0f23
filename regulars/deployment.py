"""What one deployment is made of: its services, ports and fixed choices, and each process's environment."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from regulars.credentials import Secrets
from regulars.files import write_private
from regulars.folder import DataFolder
from regulars.ports import HOST
from regulars.services_table import SERVICES, Grant, PortPlan, ServiceSpec

# Where `up --postgres` is read from too: arguments can be seen by every user of the machine.
POSTGRES_VARIABLE = "REGULARS_POSTGRES"

SAID_ONCE = ("RETENTION_DAYS",)
"""Settings that must be the same in all services: the caller gives them once, without a service's prefix."""
_BROUGHT_ALONG = {
    # Log lines at once; fewer memory arenas, for a machine that runs everything.
    "PYTHONUNBUFFERED": "1",
    "MALLOC_ARENA_MAX": "2",
}


@dataclass(frozen=True, slots=True)
class Choices:
    """What is decided once and kept with the data: figures and days would change their meaning otherwise."""

    currency: str = "USD"
    time_zone: str = "UTC"

    @classmethod
    def load(cls, folder: DataFolder) -> "Choices":
        """Read what was chosen; the defaults when nothing was."""
        try:
            return cls(**json.loads(folder.deployment_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()

    def save(self, folder: DataFolder) -> None:
        write_private(folder.deployment_file, json.dumps(asdict(self), indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `up` was asked for. `currency` and `time_zone` default to what the data folder holds."""

    folder: DataFolder
    port_base: int = 8000
    broker: str | None = None
    postgres: str | None = None
    currency: str | None = None
    time_zone: str | None = None
    services: tuple[ServiceSpec, ...] = field(default=SERVICES)

    @property
    def ports(self) -> PortPlan:
        return PortPlan(self.port_base)

    def choices(self) -> Choices:
        kept = Choices.load(self.folder)
        asked = {"currency": self.currency, "time_zone": self.time_zone}
        return replace(kept, **{name: value for name, value in asked.items() if value is not None})

    def addresses(self) -> dict[str, str]:
        """Return each service's base URL."""
        return {service.name: f"http://{HOST}:{self.ports.api(service)}" for service in self.services}


@dataclass(frozen=True, slots=True)
class Backing:
    """The database addresses (by database name) and brokers that the services are given."""

    databases: Mapping[str, str]
    bootstrap_servers: str


LOAD: Mapping[str, str] = {"INGEST_RECEIPTS_PER_DAY_MAX": "0", "INGEST_TILLS_PER_HOUR_MAX": "0"}
"""For a load test: its few customers shop more than people do, and would be put into quarantine."""


def service_environment(
    options: UpOptions, service: ServiceSpec, backing: Backing, secrets: Secrets
) -> dict[str, str]:
    """Return the whole environment of one service's processes.

    It is the caller's own, with the service's settings (prefix `NAME_`) laid over it; settings that
    `up` does not decide can be given in the caller's environment, those of SAID_ONCE for all services at once.
    """
    prefix = f"{service.name.upper()}_"
    settings = {**_common_settings(options, service, backing, secrets), **_granted(service, backing, secrets)}
    for name in SAID_ONCE:
        if name in os.environ:
            settings[name] = os.environ[name]
    return {**os.environ, **_BROUGHT_ALONG, **{f"{prefix}{name}": text for name, text in settings.items()}}


def _common_settings(options: UpOptions, service: ServiceSpec, backing: Backing, secrets: Secrets) -> dict[str, str]:
    choices = options.choices()
    folder = options.folder
    return {
        "DATABASE_URL": backing.databases[service.name],
        "BOOTSTRAP_SERVERS": backing.bootstrap_servers,
        "HOST": HOST,
        "PORT": str(options.ports.api(service)),
        "WORKER_PORT": str(options.ports.worker(service)),
        "KEYS_FILE": str(folder.keys_file),
        "SERVICE_KEY": secrets.service_keys[service.name],
        "PEERS": json.dumps(options.addresses()),
        "CLOCK_OFFSET_FILE": str(folder.clock_offset_file),
        "DATA_DIR": str(folder.service_folder(service.name)),
        "CURRENCY": choices.currency,
        "TIME_ZONE": choices.time_zone,
    }


def _granted(service: ServiceSpec, backing: Backing, secrets: Secrets) -> dict[str, str]:
    settings = {}
    if Grant.DEPLOYMENT_KEY in service.grants:
        settings["DEPLOYMENT_KEY"] = secrets.deployment_key_text
    if Grant.VAULT in service.grants:
        settings["VAULT_DATABASE_URL"] = backing.databases["vault"]
    if Grant.SOURCES in service.grants:
        settings["BOOTSTRAP_SOURCES"] = json.dumps(secrets.sources())
    if Grant.IDENTITY_KEYS in service.grants:
        settings["IDENTITY_KEYS"] = json.dumps(secrets.identity_keys())
    return settings
