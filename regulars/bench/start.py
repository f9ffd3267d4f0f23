"""How long `up` takes until five services are healthy, and what each process holds before anybody asks anything."""

from collections.abc import Sequence

from regulars.bench.figures import Figure, Sense, Target
from regulars.bench.temporary import Temporary
from regulars.state import BROKER, POSTGRES
from regulars.status import ProcessStatus

WITH_MODEL_LIBRARIES = frozenset({("recommend", "api")})
"""Processes that load FAISS, LightGBM or NumPy when they start; training and scoring have processes of their own."""

SETTING = "an empty data folder; memory is proportional set size, children included, right after the start"


def figures(deployment: Temporary) -> list[Figure]:
    """Return the figures of a deployment that nobody has used yet."""
    processes = deployment.processes()
    return [
        Figure("five services healthy", deployment.up_seconds, "s", Target(Sense.AT_MOST, 60)),
        *(_memory(process) for process in processes if process.service not in (POSTGRES, BROKER)),
        *(_engine(process) for process in processes if process.service in (POSTGRES, BROKER)),
        Figure("memory in all", _total(processes), "MB"),
    ]


def memory_after(deployment: Temporary, service: str) -> list[Figure]:
    """Return the memory of a service's processes after work, with the model in use; no target speaks of that."""
    return [
        Figure(f"{process.service} {process.role}, memory after that", process.memory_mb, "MB")
        for process in deployment.processes()
        if process.service == service and process.memory_mb is not None
    ]


def _memory(process: ProcessStatus) -> Figure:
    has_models = (process.service, process.role) in WITH_MODEL_LIBRARIES
    return Figure(
        f"{process.service} {process.role}, idle memory",
        process.memory_mb or 0,
        "MB",
        Target(Sense.AT_MOST, 320 if has_models else 120),
        note="with model libraries" if has_models else "",
    )


def _engine(process: ProcessStatus) -> Figure:
    return Figure(f"{process.service}, idle memory", process.memory_mb or 0, "MB")


def _total(processes: Sequence[ProcessStatus]) -> int:
    return sum(process.memory_mb or 0 for process in processes)
