"""The signals that end a supervisor or wake it up."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Protocol


class Signals(Protocol):
    """Told when to stop; wakes whoever waits."""

    @property
    def stop(self) -> bool: ...

    def wait(self, seconds: float) -> None: ...


class ProcessSignals:
    """SIGTERM, SIGINT and SIGHUP ask to stop; a child's end wakes the wait early. For the main thread."""

    def __init__(self) -> None:
        self.stop = False
        self._wake = threading.Event()

    def wait(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    @contextlib.contextmanager
    def installed(self) -> Iterator["ProcessSignals"]:
        """Handle the signals inside, put the earlier handlers back after."""
        handlers = {
            signal.SIGTERM: self._ask_to_stop,
            signal.SIGINT: self._ask_to_stop,
            signal.SIGHUP: self._ask_to_stop,
            signal.SIGCHLD: self._wake_up,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's
        self.stop = True
        self._wake.set()

    def _wake_up(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's
        self._wake.set()


@contextlib.contextmanager
def put_away_when_ended() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end what is inside as Ctrl-C does, so that it is put away. For the main thread."""

    def leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
