"""Ingest by itself on a database and a broker of its own: what the front door can do when nobody consumes."""

import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from regulars import processes
from regulars.bench.temporary import Say
from regulars.child import Program
from regulars.credentials import Secrets, load_or_make_secrets
from regulars.deployment import LOAD, Backing, UpOptions, service_environment
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.engines import Engines
from regulars.errors import StartFailed
from regulars.folder import DataFolder
from regulars.health import probe_all
from regulars.ports import HOST, free_port_block
from regulars.processes import log_tail
from regulars.services_table import SERVICES
from regulars.signals import put_away_when_ended

INGEST = next(service for service in SERVICES if service.name == "ingest")
READY_SECONDS = 60.0
POLL_SECONDS = 0.1
SECOND_API = 15
"""Where in the block of ports a second API process listens."""


@dataclass(frozen=True)
class Alone:
    """Two API processes of ingest, the second for whoever wants two; its worker runs when it is asked for."""

    folder: DataFolder
    options: UpOptions
    secrets: Secrets
    dsn: str
    environment: Mapping[str, str]

    @property
    def addresses(self) -> Sequence[str]:
        ports = self.options.ports
        return [f"http://{HOST}:{port}" for port in (ports.api(INGEST), ports.base + SECOND_API)]

    @contextmanager
    def working(self) -> Iterator[None]:
        """Have the worker, which numbers and publishes, inside the block."""
        with self.running("worker", self.options.ports.worker(INGEST)):
            yield

    @contextmanager
    def running(self, role: str, port: int) -> Iterator[None]:
        """Have one process inside the block, from when it is ready. Raises StartFailed."""
        log_file = self.folder.log_file(f"ingest-{role}-{port}")
        environment = self.environment if role == "worker" else {**self.environment, "INGEST_PORT": str(port)}
        address = f"http://{HOST}:{port}"
        process = Program("ingest", role, INGEST.package, address, environment, log_file).launch()
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not probe_all([(address, False)])[0].ready:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StartFailed(f"the {role} of ingest did not start: {log_tail(log_file)}")
                time.sleep(POLL_SECONDS)
            yield
        finally:
            processes.end(process, (signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))


@contextmanager
def ingest_alone(say: Say) -> Iterator[Alone]:
    """Have ingest on loopback inside the block; nothing is left of it after it. Raises StartFailed."""
    with put_away_when_ended(), tempfile.TemporaryDirectory(prefix="regulars bench ") as name, ExitStack() as stack:
        root = Path(name)
        # PostgreSQL runs as another user where we are root.
        root.chmod(0o711)
        folder = DataFolder.of(root)
        folder.make()
        options = UpOptions(folder, free_port_block(), services=(INGEST,))
        say("starting PostgreSQL, the broker and ingest alone")
        stack.callback(EmbeddedPostgres(root, options.ports.postgres).destroy)
        engines = Engines(options, lambda _: None)
        stack.callback(engines.stop)
        backing = Backing(engines.start_postgres(), engines.start_broker())
        secrets = load_or_make_secrets(folder, [service.name for service in SERVICES])
        environment = {**service_environment(options, INGEST, backing, secrets), **LOAD}
        _migrate(folder, environment)
        alone = Alone(folder, options, secrets, backing.databases["ingest"], environment)
        for port in (options.ports.api(INGEST), options.ports.base + SECOND_API):
            stack.enter_context(alone.running("api", port))
        yield alone


def _migrate(folder: DataFolder, environment: Mapping[str, str]) -> None:
    folder.service_folder("ingest").mkdir(parents=True, exist_ok=True, mode=0o700)
    log_file = folder.log_file("ingest-migrate")
    process = Program("ingest", "migrate", INGEST.package, "", environment, log_file).launch()
    if process.wait(READY_SECONDS) != 0:
        raise StartFailed(f"migrating ingest failed: {log_tail(log_file)}")
