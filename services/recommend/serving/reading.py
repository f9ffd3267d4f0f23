"""Owns what an answer reads of the database: within the time that it has left, and not at all while that is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog

from shared.breaker import Breaker
from shared.errors import TransientError

FAILURES_MAX = 3
LEFT_ALONE_SECONDS = 1.0

T = TypeVar("T")
Monotonic = Callable[[], float]


class Patience:
    """How long one answer still waits, for everything that it waits for together."""

    def __init__(self, seconds: float, monotonic: Monotonic = time.monotonic) -> None:
        """Begin to wait now."""
        self._monotonic = monotonic
        self._until = monotonic() + seconds

    @property
    def left_seconds(self) -> float:
        return max(0.0, self._until - self._monotonic())


class Reads:
    """Reads of one kind; None means that the database was away, or later than the answer could wait.

    Each kind has a breaker of its own: a slow table does not make the others count as away.
    """

    def __init__(self, what: str, timeout_seconds: float, monotonic: Monotonic = time.monotonic) -> None:
        """Take how long one answer may wait for this kind; `what` is its name in the log."""
        self._log = structlog.get_logger().bind(what=what)
        self._timeout_seconds = timeout_seconds
        self._breaker = Breaker(FAILURES_MAX, LEFT_ALONE_SECONDS, monotonic)
        self._late: set[asyncio.Future[Any]] = set()

    async def within(self, read: Callable[[], Awaitable[T]], patience: Patience | None = None) -> T | None:
        """Read, for no longer than is left of `patience`. Several may wait for one future."""
        wait_seconds = self._timeout_seconds
        if patience is not None:
            wait_seconds = min(wait_seconds, patience.left_seconds)
        if wait_seconds <= 0 or not self._breaker.lets_pass():
            return None
        # Neither `asyncio.timeout` nor a cancellation: undoing a query asks the server for more than the query did,
        # and a server that does not answer is the worst to ask. What comes late is dropped.
        reading = asyncio.ensure_future(read())
        done, _ = await asyncio.wait({reading}, timeout=wait_seconds)
        if not done:
            self._late.add(reading)
            reading.add_done_callback(self._came_late)
            self._leave_alone(f"no answer within {wait_seconds:.3g} s")
            return None
        try:
            found = reading.result()
        except TransientError as away:
            self._leave_alone(str(away))
            return None
        self._breaker.succeeded()
        return found

    def _came_late(self, reading: "asyncio.Future[Any]") -> None:
        """Note that the server answers after all, slow is not away; nobody else would hear of a bug."""
        self._late.discard(reading)
        if reading.cancelled():
            return
        failure = reading.exception()
        if failure is None:
            self._breaker.succeeded()
        elif not isinstance(failure, TransientError):
            self._log.error("reads.failed", exc_info=failure)

    def _leave_alone(self, reason: str) -> None:
        """After some failures in a row one answer a second asks, until one is told in time."""
        self._breaker.failed()
        if self._breaker.is_open:
            self._log.warning("reads.away", reason=reason)
