"""Real services on a real database and broker, each process a child that a test may kill."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx

from regulars.credentials import load_or_make_secrets
from regulars.deployment import LOAD, Backing, UpOptions, service_environment
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.folder import DataFolder
from regulars.health import NO_TLS
from regulars.ports import HOST, free_port_block
from regulars.processes import log_tail
from regulars.services_table import SERVICES, ServiceSpec
from tests.faults.harness import Child, python
from tests.fixtures.postgres import fresh_database

READY_SECONDS = 90.0
POLL_SECONDS = 0.1
ROLES = ("api", "worker")
ALL_SERVICES = tuple(service.name for service in SERVICES)


@dataclass(frozen=True)
class Deployment:
    """Some of the five services, running.

    `write_keys` is by the source's kind, `databases` by database name, `processes` by name: `ingest-api`.
    """

    api_key: str
    write_keys: Mapping[str, str]
    databases: Mapping[str, str]
    addresses: Mapping[str, str]
    processes: Mapping[str, Child]

    def client(self, service: str) -> httpx.AsyncClient:
        """Return a client of one service's API, with the administrator's key."""
        return httpx.AsyncClient(
            base_url=self.addresses[f"{service}-api"],
            headers={"Authorization": f"Bearer {self.api_key}"},
            timeout=30.0,
            trust_env=False,
            verify=NO_TLS,
        )

    async def is_ready(self, process: str) -> bool:
        async with httpx.AsyncClient(timeout=2.0, trust_env=False, verify=NO_TLS) as client:
            try:
                answer = await client.get(f"{self.addresses[process]}/health/ready")
            except httpx.HTTPError:
                return False
        return answer.status_code == httpx.codes.OK


@contextmanager
def deployed(
    names: Sequence[str],
    root: Path,
    postgres: EmbeddedPostgres,
    bootstrap_servers: str,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Deployment]:
    """Have these services migrated, started and ready inside the block, and nothing of them after it.

    The others have addresses where nobody answers: their logs are away. `settings`: variables beside those that
    `regulars up` would give.
    """
    folder = DataFolder.of(root)
    folder.make()
    options = UpOptions(folder, free_port_block())
    services = [service for service in SERVICES if service.name in names]
    secrets = load_or_make_secrets(folder, [service.name for service in SERVICES])
    with ExitStack() as stack:
        databases = {
            name: stack.enter_context(contextmanager(fresh_database)(postgres))
            for service in services
            for name in service.databases
        }
        backing = Backing(databases, bootstrap_servers)
        environments = {
            service: {**service_environment(options, service, backing, secrets), **LOAD, **settings}
            for service in services
        }
        _migrate(environments, folder)
        children = {
            f"{service.name}-{role}": Child(
                f"{service.name}-{role}", python(service.package, role), folder.logs, environment
            )
            for service, environment in environments.items()
            for role in ROLES
        }
        deployment = Deployment(
            secrets.api_key, secrets.write_keys, databases, _addresses(options, services), children
        )
        for child in children.values():
            stack.callback(child.kill)
            child.start()
        _wait_until_ready(deployment)
        yield deployment


def _addresses(options: UpOptions, services: Sequence[ServiceSpec]) -> dict[str, str]:
    ports = options.ports
    return {
        f"{service.name}-{role}": f"http://{HOST}:{port}"
        for service in services
        for role, port in (("api", ports.api(service)), ("worker", ports.worker(service)))
    }


def _migrate(environments: Mapping[ServiceSpec, dict[str, str]], folder: DataFolder) -> None:
    with ExitStack() as stack:
        children = []
        for service, environment in environments.items():
            folder.service_folder(service.name).mkdir(parents=True, exist_ok=True)
            child = Child(f"{service.name}-migrate", python(service.package, "migrate"), folder.logs, environment)
            stack.callback(child.kill)
            child.start()
            children.append(child)
        for child in children:
            _until(lambda child=child: child.exit_code is not None, f"{child.name} to end")  # type: ignore[misc]
            assert child.exit_code == 0, log_tail(child.log_file)


def _wait_until_ready(deployment: Deployment) -> None:
    with httpx.Client(timeout=2.0, trust_env=False, verify=NO_TLS) as client:
        for name, child in deployment.processes.items():

            def ready(name: str = name, child: Child = child) -> bool:
                assert child.exit_code is None, f"{name} ended: {log_tail(child.log_file)}"
                try:
                    return client.get(f"{deployment.addresses[name]}/health/ready").status_code == httpx.codes.OK
                except httpx.HTTPError:
                    return False

            _until(ready, f"{name} to be ready")


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {READY_SECONDS:.0f} s for {what}"
        time.sleep(POLL_SECONDS)
