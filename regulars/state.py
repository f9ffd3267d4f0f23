"""What runs on a data folder: written by the supervisor, read by every other command."""

import json
import signal
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from regulars import processes
from regulars.files import write_private
from regulars.folder import DataFolder
from regulars.processes import ProcessIdentity

POSTGRES = "postgres"
BROKER = "broker"
# What stops first, and the signal for it: PostgreSQL's fast shutdown is SIGINT.
_STOP_ORDER = ((None, signal.SIGTERM), (BROKER, signal.SIGTERM), (POSTGRES, signal.SIGINT))


class Phase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process of the deployment; `pid` is None while it waits for its restart or runs elsewhere."""

    service: str
    role: str
    pid: int | None
    started_at: float | None
    restarts: int
    address: str

    @property
    def identity(self) -> ProcessIdentity | None:
        if self.pid is None or self.started_at is None:
            return None
        return ProcessIdentity(self.pid, self.started_at)


@dataclass(frozen=True, slots=True)
class RunState:
    """The supervisor's own identity and what it runs."""

    supervisor: ProcessIdentity
    phase: Phase
    port_base: int
    processes: tuple[ProcessRecord, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    def write(self, folder: DataFolder) -> None:
        write_private(folder.state_file, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, folder: DataFolder) -> "RunState | None":
        """Read the last state written; None when there is none."""
        try:
            raw = json.loads(folder.state_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(
            supervisor=ProcessIdentity(**raw["supervisor"]),
            phase=Phase(raw["phase"]),
            port_base=raw["port_base"],
            processes=tuple(ProcessRecord(**item) for item in raw["processes"]),
            warnings=tuple(raw["warnings"]),
        )

    @staticmethod
    def forget(folder: DataFolder) -> None:
        """Remove the state: nothing runs any more."""
        folder.state_file.unlink(missing_ok=True)


def running_state(folder: DataFolder) -> RunState | None:
    """Return the state of the live supervisor on this folder, None when there is none."""
    state = RunState.read(folder)
    return state if state is not None and state.supervisor.process() is not None else None


def end_orphans(folder: DataFolder) -> int:
    """End what a killed supervisor left running, in the order of a regular stop; return how many there were."""
    state = RunState.read(folder)
    if state is None:
        return 0
    ended = 0
    for service, number in _STOP_ORDER:
        for record in state.processes:
            process = record.identity.process() if record.identity else None
            wanted = record.service == service if service else record.service not in (POSTGRES, BROKER)
            if wanted and process is not None:
                processes.end(process, (number, 26.0), (signal.SIGKILL, 5.0))
                ended += 1
    RunState.forget(folder)
    return ended
