"""The services of a deployment, as data: what `up` starts, on which ports, holding which secrets."""

from dataclasses import dataclass
from enum import StrEnum


class Grant(StrEnum):
    """What only some services are given."""

    DEPLOYMENT_KEY = "deployment_key"
    VAULT = "vault"
    SOURCES = "sources"
    IDENTITY_KEYS = "identity_keys"


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service: its package is run as `python -m PACKAGE api|worker|migrate`.

    `number` places its ports: the API on port base + number, the worker's health on port base + 20 + number.
    """

    name: str
    number: int
    package: str
    grants: frozenset[Grant] = frozenset()

    @property
    def databases(self) -> tuple[str, ...]:
        """Every database it owns, its own first."""
        return (self.name, "vault") if Grant.VAULT in self.grants else (self.name,)


SERVICES: tuple[ServiceSpec, ...] = (
    ServiceSpec("ingest", 1, "services.ingest", frozenset({Grant.DEPLOYMENT_KEY, Grant.VAULT, Grant.SOURCES})),
    ServiceSpec("profile", 2, "services.profile"),
    ServiceSpec("recommend", 3, "services.recommend", frozenset({Grant.IDENTITY_KEYS})),
    ServiceSpec("churn", 4, "services.churn"),
    ServiceSpec("campaign", 5, "services.campaign", frozenset({Grant.IDENTITY_KEYS})),
)


@dataclass(frozen=True, slots=True)
class PortPlan:
    """Where everything of one deployment listens; the base itself is kept for the console."""

    base: int

    @property
    def postgres(self) -> int:
        return self.base + 10

    @property
    def broker(self) -> int:
        return self.base + 11

    @property
    def broker_controller(self) -> int:
        """Used by Apache Kafka only."""
        return self.base + 12

    def api(self, service: ServiceSpec) -> int:
        return self.base + service.number

    def worker(self, service: ServiceSpec) -> int:
        return self.base + 20 + service.number
