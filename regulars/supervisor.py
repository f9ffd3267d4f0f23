"""Starts everything of a deployment in order, keeps it running, and stops it in order."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from regulars import processes
from regulars.child import Program, SupervisedProcess
from regulars.credentials import Credentials, Secrets, load_or_make_secrets
from regulars.deployment import Backing, UpOptions, service_environment
from regulars.engines import Engines, Report
from regulars.errors import PortTaken, RegularsError, StartFailed
from regulars.health import probe_all
from regulars.logs import rotate
from regulars.ports import HOST, port_is_free
from regulars.processes import ProcessIdentity
from regulars.services_table import ServiceSpec
from regulars.signals import Signals
from regulars.state import Phase, RunState, end_orphans

READY_SECONDS = 180.0
"""A busy machine, on which Python compiles every library for the first time, needs several times the usual 20 s."""
_MIGRATE_SECONDS = 120.0
# A service's API drains and ends within 25 s of the signal.
_STOP_SECONDS = 27.0
_TICK_SECONDS = 0.5
# While somebody waits for the start.
_START_TICK_SECONDS = 0.2
_CARE_SECONDS = 5.0


class StopRequested(RegularsError):
    """SIGTERM or SIGINT came while things were still starting."""


@dataclass
class Supervisor:
    """`run` is a whole life: lock, start, watch until a signal, stop. Use it from the main thread."""

    options: UpOptions
    report: Report
    signals: Signals
    ready_seconds: float = READY_SECONDS

    def __post_init__(self) -> None:
        self.folder = self.options.folder
        self.children: list[SupervisedProcess] = []
        self.engines = Engines(self.options, self.report)
        self._phase = Phase.STARTING
        self._cared_at = 0.0

    def run(self, when_ready: Callable[[Credentials], None]) -> None:
        """Start, call `when_ready`, keep everything running until asked to stop.

        Raises AlreadyRunning, PortTaken, BrokerUnavailable, StartFailed; then nothing is left running.
        """
        with self.folder.locked(), ExitStack() as stack:
            orphans = end_orphans(self.folder)
            if orphans:
                self.report(f"ended {orphans} processes that an earlier run had left")
            stack.callback(self._stop_everything)
            try:
                credentials = self._start()
            except StopRequested:
                self.report("stopped before everything was started")
                return
            self._enter(Phase.READY)
            when_ready(credentials)
            self._watch()

    def _start(self) -> Credentials:
        self._enter(Phase.STARTING)
        self._refuse_taken_ports()
        secrets = load_or_make_secrets(self.folder, [service.name for service in self.options.services])
        self.options.choices().save(self.folder)
        backing = self._start_backing()
        environments = {
            service: service_environment(self.options, service, backing, secrets) for service in self.options.services
        }
        credentials = self._hand_out(secrets, backing)
        self._migrate(environments)
        self._start_services(environments)
        self._wait_until_ready()
        return credentials

    def _refuse_taken_ports(self) -> None:
        ports = self.options.ports
        wanted = [(ports.api(service), f"{service.name} api") for service in self.options.services]
        wanted += [(ports.worker(service), f"{service.name} worker") for service in self.options.services]
        for port, purpose in wanted:
            if not port_is_free(port):
                raise PortTaken(port, purpose)

    def _start_backing(self) -> Backing:
        self._check_stop()
        self.report("starting PostgreSQL")
        databases = self.engines.start_postgres()
        self._write_state()
        self._check_stop()
        bootstrap_servers = self.engines.start_broker()
        self._write_state()
        return Backing(databases, bootstrap_servers)

    def _hand_out(self, secrets: Secrets, backing: Backing) -> Credentials:
        credentials = Credentials(
            api_key=secrets.api_key,
            write_key=secrets.write_keys["server"],
            web_write_key=secrets.write_keys["web"],
            addresses=self.options.addresses(),
            database=backing.databases,
            bootstrap_servers=backing.bootstrap_servers,
        )
        credentials.write(self.folder.credentials_file)
        return credentials

    def _migrate(self, environments: dict[ServiceSpec, dict[str, str]]) -> None:
        """Bring every service's database to its newest form, all at the same time."""
        self.report("migrating the databases")
        running: dict[ServiceSpec, subprocess.Popen[bytes]] = {}
        for service, env in environments.items():
            self.folder.service_folder(service.name).mkdir(parents=True, exist_ok=True, mode=0o700)
            log_file = self.folder.log_file(f"{service.name}-migrate")
            program = Program(service.name, "migrate", service.package, "", env, log_file)
            running[service] = program.launch()
        try:
            self._wait_migrated(running)
        finally:
            for process in running.values():
                if process.poll() is None:
                    processes.end(process, (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0))

    def _wait_migrated(self, running: dict[ServiceSpec, subprocess.Popen[bytes]]) -> None:
        deadline = time.monotonic() + _MIGRATE_SECONDS
        while any(process.poll() is None for process in running.values()):
            self._check_stop()
            if time.monotonic() > deadline:
                raise StartFailed(f"migrations took longer than {_MIGRATE_SECONDS:.0f} s")
            self.signals.wait(_START_TICK_SECONDS)
        for service, process in running.items():
            if process.returncode != 0:
                log_file = self.folder.log_file(f"{service.name}-migrate")
                raise StartFailed(
                    f"the migration of {service.name} failed ({log_file}):\n{processes.log_tail(log_file)}"
                )

    def _start_services(self, environments: dict[ServiceSpec, dict[str, str]]) -> None:
        self.report(f"starting {', '.join(service.name for service in environments)}")
        ports = self.options.ports
        for service, env in environments.items():
            for role, port in (("api", ports.api(service)), ("worker", ports.worker(service))):
                log_file = self.folder.log_file(f"{service.name}-{role}")
                address = f"http://{HOST}:{port}"
                child = SupervisedProcess(Program(service.name, role, service.package, address, env, log_file))
                self.children.append(child)
                child.start()
                self._write_state()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.ready_seconds
        shown = -1
        while True:
            self._check_stop()
            self._tend_children()
            health = probe_all((child.program.address, False) for child in self.children)
            waiting = [(child, state) for child, state in zip(self.children, health, strict=True) if not state.ready]
            ready = len(self.children) - len(waiting)
            if ready != shown:
                shown = ready
                self.report(f"ready: {ready} of {len(self.children)} processes")
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise StartFailed(self._unready_message([(c, s.reason) for c, s in waiting]))
            self.signals.wait(_START_TICK_SECONDS)

    def _unready_message(self, waiting: list[tuple[SupervisedProcess, str]]) -> str:
        lines = [f"not ready after {self.ready_seconds:.0f} s:"]
        for child, reason in waiting:
            lines.append(f"  {child.program.name}: {reason} (log: {child.program.log_file})")
            lines += [f"    {line}" for line in processes.log_tail(child.program.log_file, 5).splitlines()]
        return "\n".join(lines)

    def _watch(self) -> None:
        while not self.signals.stop:
            self.signals.wait(_TICK_SECONDS)
            self._tend_children()
            if self.engines.tend():
                self._write_state()
            if time.monotonic() - self._cared_at >= _CARE_SECONDS:
                self._cared_at = time.monotonic()
                self._take_care()

    def _take_care(self) -> None:
        for log_file in self.folder.logs.glob("*.log"):
            rotate(log_file)
        if self.engines.mind_memory():
            self._write_state()

    def _tend_children(self) -> None:
        happened = [event for child in self.children if (event := child.tend()) is not None]
        for event in happened:
            self.report(event)
        if happened:
            self._write_state()

    def _stop_everything(self) -> None:
        """Stop APIs and workers together, then the broker, then PostgreSQL; each within its bound."""
        self._enter(Phase.STOPPING)
        if self.children:
            self.report("stopping the services")
        for child in self.children:
            child.ask_to_stop()
        deadline = time.monotonic() + _STOP_SECONDS
        for child in self.children:
            child.wait_stopped(deadline)
        self.children.clear()
        self.engines.stop()
        RunState.forget(self.folder)

    def _check_stop(self) -> None:
        if self.signals.stop:
            raise StopRequested("asked to stop")

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._write_state()

    def _write_state(self) -> None:
        RunState(
            supervisor=ProcessIdentity.of(os.getpid()),
            phase=self._phase,
            port_base=self.options.port_base,
            processes=(*self.engines.records(), *(child.record() for child in self.children)),
            warnings=(self.engines.warning,) if self.engines.warning else (),
        ).write(self.folder)
