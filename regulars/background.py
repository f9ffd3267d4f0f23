"""A supervisor in a process of its own: for `up --detach`, and for commands that need a deployment."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from regulars import processes
from regulars.child import PROJECT_ROOT
from regulars.credentials import Credentials
from regulars.deployment import POSTGRES_VARIABLE, UpOptions
from regulars.engines import Report
from regulars.errors import AlreadyRunning, StartFailed
from regulars.folder import DataFolder
from regulars.logs import Follower
from regulars.state import Phase, end_orphans, running_state

PROGRAM = [sys.executable, "-m", "regulars"]
# Every step of a start has its own, shorter bound.
_START_SECONDS = 400.0
# APIs and workers 27 s, the broker 8 s, PostgreSQL 45 s, and a little.
_STOP_SECONDS = 90.0
_POLL_SECONDS = 0.2


def start_detached(options: UpOptions, report: Report) -> Credentials:
    """Start a supervisor that outlives this process; return when everything is ready.

    Raises AlreadyRunning, StartFailed with the reason that the supervisor gave.
    """
    _refuse_second(options)
    follower = Follower(_log_file(options), 0)
    log = os.open(_log_file(options), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        supervisor = subprocess.Popen(  # noqa: S603 - our own command
            _command(options),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(options),
            cwd=PROJECT_ROOT,
            start_new_session=True,
        )
    finally:
        os.close(log)
    credentials = _wait_until_ready(supervisor, follower, options, report)
    supervisor.returncode = 0  # It lives on; without this Python would warn of a child not waited for.
    return credentials


_NOTHING: Mapping[str, str] = MappingProxyType({})


@contextmanager
def running(options: UpOptions, report: Report, settings: Mapping[str, str] = _NOTHING) -> Iterator[Credentials]:
    """Have a deployment inside the block: everything is ready at its start and gone at its end.

    `settings` are laid over the environment that it is given.

    The supervisor is on a leash: when this process dies it stops everything in order.
    Raises AlreadyRunning, StartFailed.
    """
    _refuse_second(options)
    follower = Follower(_log_file(options), 0)
    supervisor = processes.spawn(
        processes.Launch(
            _command(options),
            log_file=_log_file(options),
            env={**_environment(options), **settings},
            cwd=PROJECT_ROOT,
        )
    )
    try:
        yield _wait_until_ready(supervisor, follower, options, report)
    finally:
        processes.end(supervisor, (signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, 5.0))
        end_orphans(options.folder)


def stop(folder: DataFolder) -> bool:
    """Stop what runs on the folder, orphans of a killed supervisor too; tell whether there was anything."""
    state = running_state(folder)
    supervisor = None if state is None else state.supervisor.process()
    if supervisor is not None:
        processes.end(supervisor, (signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, 5.0))
    return end_orphans(folder) > 0 or supervisor is not None


def _refuse_second(options: UpOptions) -> None:
    if running_state(options.folder) is not None:
        raise AlreadyRunning(
            f"regulars is already running on {options.folder.root}; see `regulars status`, stop it by `regulars down`"
        )
    options.folder.make()


def _wait_until_ready(
    supervisor: subprocess.Popen[bytes], log: Follower, options: UpOptions, report: Report
) -> Credentials:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        ended = _ended_within(supervisor, _POLL_SECONDS)
        for line in log.new_lines():
            report(line)
        state = running_state(options.folder)
        if ended:
            raise StartFailed("the supervisor ended while starting; see above")
        if state is not None and state.supervisor.pid == supervisor.pid and state.phase is Phase.READY:
            return Credentials.read(options.folder.credentials_file)
        if time.monotonic() > deadline:
            processes.end(supervisor, (signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, 5.0))
            raise StartFailed(f"not everything was ready within {_START_SECONDS:.0f} s")


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.poll() is not None


def _command(options: UpOptions) -> list[str]:
    given = {
        "--data-dir": str(options.folder.root),
        "--port-base": str(options.port_base),
        "--broker": options.broker,
        "--currency": options.currency,
        "--time-zone": options.time_zone,
    }
    words = [word for name, value in given.items() if value is not None for word in (name, value)]
    return [*PROGRAM, "up", "--plain", *words]


def _environment(options: UpOptions) -> dict[str, str]:
    """Hand the database address on where other users cannot read it: arguments they can."""
    return {**os.environ} if options.postgres is None else {**os.environ, POSTGRES_VARIABLE: options.postgres}


def _log_file(options: UpOptions) -> Path:
    return options.folder.log_file("supervisor")
