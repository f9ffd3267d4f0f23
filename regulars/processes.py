"""Child processes: started on a leash, recognised by pid and start time, ended within a bound."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
# Two readings of one process's start time differ by rounding only.
_START_TIME_TOLERANCE_S = 1.0


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A pid together with the moment its process started, because pids are used again."""

    pid: int
    started_at: float

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """Return the live process, or None when it is gone, a zombie, or the pid is now another's."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) < _START_TIME_TOLERANCE_S
            alive = process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same and alive else None


@dataclass(frozen=True, slots=True)
class RunAs:
    """The unprivileged user a child runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a child: its output is appended to `log_file`; without `env` it inherits the caller's."""

    command: Sequence[str]
    log_file: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    run_as: RunAs | None = None
    leash_signal: int = signal.SIGTERM


def spawn(launch: Launch) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own. Raises OSError when the program cannot be run.

    On Linux the kernel sends the child `leash_signal` when the thread that started it ends, so that
    nothing outlives a starter killed with SIGKILL.
    """
    log = os.open(launch.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    user = launch.run_as
    try:
        return subprocess.Popen(  # noqa: S603 - our own commands
            list(launch.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=None if launch.env is None else dict(launch.env),
            cwd=launch.cwd,
            start_new_session=True,
            preexec_fn=_leash(launch.leash_signal),  # noqa: PLW1509 - two system calls, no lock is taken
            user=None if user is None else user.uid,
            group=None if user is None else user.gid,
            extra_groups=None if user is None else [],
        )
    finally:
        os.close(log)


def run_as_other(
    command: Sequence[str], run_as: RunAs | None, *, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end as another user, from `/` (which every user can read)."""
    return subprocess.run(  # noqa: S603 - our own commands
        list(command),
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env=None if env is None else dict(env),
        user=None if run_as is None else run_as.uid,
        group=None if run_as is None else run_as.gid,
        extra_groups=None if run_as is None else [],
    )


def end(process: psutil.Process | subprocess.Popen[bytes], *steps: tuple[int, float]) -> bool:
    """Send each (signal, seconds to wait) in turn until the process is gone; True when it is.

    Default: SIGTERM for 10 s, then SIGKILL for 5 s.
    """
    for number, seconds in steps or ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            process.send_signal(number)
        try:
            process.wait(seconds)
        except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
            continue
        return True
    return False


def processes_in_folder(folder: Path) -> list[psutil.Process]:
    """Find every process that this user may look at and whose working folder is `folder`."""
    wanted = str(folder.resolve())
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == wanted and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def log_tail(log_file: Path, lines: int = 12) -> str:
    """Return the last lines of a log, for an error message; empty when there is none."""
    try:
        text = log_file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _leash(number: int) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    starter = os.getpid()

    def bind_to_starter() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != starter:  # it ended before the leash was on
            os._exit(1)

    return bind_to_starter
