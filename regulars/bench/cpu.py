"""How much processor time each process of a deployment has used: a cost that other programs hardly change."""

from collections.abc import Mapping
from contextlib import suppress

import psutil

from regulars.bench.temporary import Temporary

CpuSeconds = Mapping[str, float]


def cpu_seconds(deployment: Temporary) -> CpuSeconds:
    """Return seconds of one core by process (`ingest api`), children included, since each started."""
    used = {}
    for process in deployment.processes():
        if process.pid is not None:
            with suppress(psutil.NoSuchProcess):
                used[f"{process.service} {process.role}"] = _of_tree(psutil.Process(process.pid))
    return used


def _of_tree(process: psutil.Process) -> float:
    own = process.cpu_times()
    # Ended children count in their parent's own figures, as far as it has waited for them.
    seconds = own.user + own.system + getattr(own, "children_user", 0.0) + getattr(own, "children_system", 0.0)
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            seconds += times.user + times.system
    return float(seconds)


def spent(before: CpuSeconds, after: CpuSeconds) -> CpuSeconds:
    """Return what each process used in between, the most first; one that was started again counts from zero."""
    used = {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
    used = {name: after[name] if seconds < 0 else seconds for name, seconds in used.items()}
    return dict(sorted(used.items(), key=lambda item: -item[1]))
