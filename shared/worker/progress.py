"""The watchdog's memory: when something last moved, and how much waits."""

import time
from dataclasses import dataclass, field

from shared.worker import metrics

STALL_SECONDS = 60.0


class StalledError(Exception):
    """There is lag and nothing has moved for a minute: the process ends, so that a fresh one takes over."""


@dataclass(slots=True)
class Progress:
    """Progress of all partitions of one worker."""

    service: str
    stall_seconds: float = STALL_SECONDS
    _moved_at: float = field(default_factory=time.monotonic)
    _lag: dict[int, int] = field(default_factory=dict)

    def moved(self) -> None:
        """Note that a position moved."""
        self._moved_at = time.monotonic()
        metrics.PROGRESS_AT.labels(self.service).set_to_current_time()

    def lag(self, partition: int, records: int) -> None:
        """Note how many events one partition could apply and has not; what stands still does not count."""
        self._lag[partition] = records
        if not self.lag_records:
            self._moved_at = time.monotonic()

    def forget(self, partition: int) -> None:
        """Note that a partition is another worker's now."""
        self._lag.pop(partition, None)

    @property
    def lag_records(self) -> int:
        return sum(self._lag.values())

    def check(self) -> None:
        """Raise StalledError when there is lag and nothing has moved for too long."""
        still_seconds = time.monotonic() - self._moved_at
        if self.lag_records and still_seconds > self.stall_seconds:
            raise StalledError(f"{self.lag_records} events wait and nothing has moved for {still_seconds:.0f} s")
