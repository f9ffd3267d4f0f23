"""The watchdog's memory: for each partition, when it last moved and how much waits there."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.worker import metrics

STALL_SECONDS = 60.0


class StalledError(Exception):
    """Events wait and nothing has moved for a minute: the process ends, so that a fresh one takes over."""


@dataclass(slots=True)
class Progress:
    """Progress of all partitions of one worker.

    How much waits is asked for, never reported: whoever hangs reports nothing.
    """

    service: str
    stall_seconds: float = STALL_SECONDS
    _waiting: dict[int, Callable[[], int]] = field(default_factory=dict)
    _moved_at: dict[int, float] = field(default_factory=dict)

    def watch(self, partition: int, waiting: Callable[[], int]) -> None:
        """Watch a partition; `waiting` says how many events it could apply and has not."""
        self._waiting[partition] = waiting
        self._moved_at[partition] = time.monotonic()

    def forget(self, partition: int) -> None:
        """Note that a partition is another worker's now."""
        self._waiting.pop(partition, None)

    def moved(self, partition: int) -> None:
        """Note that a position moved."""
        self._moved_at[partition] = time.monotonic()
        metrics.PROGRESS_AT.labels(self.service).set_to_current_time()

    def check(self) -> None:
        """Raise StalledError when events wait at a partition and it has not moved for too long."""
        for partition, waiting in list(self._waiting.items()):
            now = time.monotonic()
            events = waiting()
            if not events:
                self._moved_at[partition] = now
            still_seconds = now - self._moved_at[partition]
            if still_seconds > self.stall_seconds:
                raise StalledError(
                    f"partition {partition}: {events} events wait, nothing has moved for {still_seconds:.0f} s"
                )
