"""Ends the process when its event loop stands still, or cannot end by itself: nothing in the loop could say so."""

import faulthandler
import math
import os
import threading
import time
from typing import NoReturn

import structlog

log = structlog.get_logger()

LOOK_SECONDS = 1.0


class LoopWatchdog(threading.Thread):
    """A thread that wants a beat from the event loop, and otherwise writes where it hangs and ends the process."""

    def __init__(self, stall_seconds: float) -> None:
        super().__init__(name="loop-watchdog", daemon=True)
        self._stall_seconds = stall_seconds
        self._beat_at = time.monotonic()
        self._end_at = math.inf
        self._stopped = threading.Event()

    def beat(self) -> None:
        """Note that the loop runs."""
        self._beat_at = time.monotonic()

    def end_within(self, seconds: float) -> None:
        """Let the process end in order, but not for longer than that: what hangs may hang on to its end too."""
        self._end_at = time.monotonic() + seconds

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            still_seconds = time.monotonic() - self._beat_at
            if time.monotonic() > self._end_at:
                _end("worker.end_stalled")
            if still_seconds > self._stall_seconds:
                _end("worker.loop_stalled", seconds=round(still_seconds))


def _end(event: str, **details: object) -> NoReturn:
    log.critical(event, **details)
    faulthandler.dump_traceback()
    os._exit(os.EX_SOFTWARE)
