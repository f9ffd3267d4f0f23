"""Owns what a training cost: time, processor time, and the most memory of the process so far."""

import resource
import sys
import time

_RSS_PER_MB = 2**20 if sys.platform == "darwin" else 2**10
"""`ru_maxrss` is in bytes there, in kilobytes elsewhere."""


class Spending:
    """Counts from its making; all threads of the process together."""

    def __init__(self) -> None:
        """Begin to count."""
        self._began, self._began_cpu = time.monotonic(), time.process_time()

    def so_far(self) -> dict[str, float]:
        """Return seconds by the wall and of the processors, and the peak of memory, as a manifest names them."""
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _RSS_PER_MB
        return {
            "training_seconds": round(time.monotonic() - self._began, 1),
            "training_cpu_seconds": round(time.process_time() - self._began_cpu, 1),
            "peak_memory_mb": round(peak_mb),
        }
