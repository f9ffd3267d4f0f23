"""One supervised process of a service: started, watched, started again with a growing delay."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

import regulars
from regulars import processes
from regulars.processes import ProcessIdentity
from regulars.restarts import failures_in_a_row, restart_delay_seconds
from regulars.state import ProcessRecord

# Services are run from here, so that they are found without being installed too.
PROJECT_ROOT = Path(regulars.__file__).resolve().parents[1]

WORKER_NICENESS = 5
"""Workers leave the processor to APIs: a till waits for an answer, nobody waits for a figure."""


@dataclass(frozen=True, slots=True)
class Program:
    """`python -m PACKAGE ROLE` of a service; `address` is where its health is."""

    service: str
    role: str
    package: str
    address: str
    env: Mapping[str, str]
    log_file: Path

    @property
    def name(self) -> str:
        return f"{self.service} {self.role}"

    def launch(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", self.package, self.role]
        return processes.spawn(processes.Launch(command, log_file=self.log_file, env=self.env, cwd=PROJECT_ROOT))


class SupervisedProcess:
    """A program that is kept running until it is told to stop."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.restarts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: ProcessIdentity | None = None
        self._started_at = 0.0
        self._failures = 0
        self._start_again_at: float | None = None

    @property
    def identity(self) -> ProcessIdentity | None:
        return self._identity

    def start(self) -> None:
        self._process = self.program.launch()
        self._started_at = time.monotonic()
        self._start_again_at = None
        try:
            self._identity = ProcessIdentity.of(self._process.pid)
            if self.program.role == "worker":
                psutil.Process(self._process.pid).nice(WORKER_NICENESS)
        except psutil.NoSuchProcess:
            self._identity = None

    def tend(self) -> str | None:
        """Notice an end, start again when it is time; return what happened in words, None when nothing did."""
        now = time.monotonic()
        if self._process is not None and self._process.poll() is not None:
            code = self._process.returncode
            self._failures = failures_in_a_row(self._failures, now - self._started_at)
            delay = restart_delay_seconds(self._failures)
            self._start_again_at = now + delay
            self._process = self._identity = None
            return f"{self.program.name} ended with {_ending(code)}; starting it again in {delay:.1f} s"
        if self._start_again_at is not None and now >= self._start_again_at:
            self.restarts += 1
            self.start()
            return f"{self.program.name} started again"
        return None

    def ask_to_stop(self) -> None:
        """Send SIGTERM without waiting."""
        self._start_again_at = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def wait_stopped(self, deadline: float) -> None:
        """Wait until the monotonic `deadline`, then kill."""
        if self._process is not None:
            seconds = max(deadline - time.monotonic(), 0.0)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            if self._process.poll() is None:
                processes.end(self._process, (signal.SIGKILL, 5.0))
        self._process = self._identity = None

    def record(self) -> ProcessRecord:
        identity = self._identity
        return ProcessRecord(
            service=self.program.service,
            role=self.program.role,
            pid=None if identity is None else identity.pid,
            started_at=None if identity is None else identity.started_at,
            restarts=self.restarts,
            address=self.program.address,
        )


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
