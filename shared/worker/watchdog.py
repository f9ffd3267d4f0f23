"""Ends the process when its event loop itself stands still: nothing that runs in the loop could say so."""

import faulthandler
import os
import threading
import time

import structlog

log = structlog.get_logger()

LOOK_SECONDS = 1.0


class LoopWatchdog(threading.Thread):
    """A thread that wants a beat from the event loop, and otherwise writes where it hangs and ends the process."""

    def __init__(self, stall_seconds: float) -> None:
        super().__init__(name="loop-watchdog", daemon=True)
        self._stall_seconds = stall_seconds
        self._beat_at = time.monotonic()
        self._stopped = threading.Event()

    def beat(self) -> None:
        """Note that the loop runs."""
        self._beat_at = time.monotonic()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            still_seconds = time.monotonic() - self._beat_at
            if still_seconds > self._stall_seconds:
                log.critical("worker.loop_stalled", seconds=round(still_seconds))
                faulthandler.dump_traceback()
                os._exit(os.EX_SOFTWARE)
