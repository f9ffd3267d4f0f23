"""Owns reading a customer's own past from the database within the time that an answer has.

The past is folded from the receipts as they are in the database at that moment, so that an applied receipt changes
the next list. A database that keeps not answering in time is left alone for a moment: answers then come at once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog

from services.recommend import metrics
from services.recommend.domain.consents import allows_personalisation
from services.recommend.domain.facts import net_baskets
from services.recommend.serving.past import NOBODY, Past
from services.recommend.store import customers
from shared.breaker import Breaker
from shared.db import Database
from shared.errors import TransientError

log = structlog.get_logger()

FAILURES_MAX = 3
WARM_CONNECTIONS = 4
LEFT_ALONE_SECONDS = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Own:
    """A customer as they are now. `past` is empty where the use of their history is withdrawn.

    `version` stands for all of this while it stays as it is; None where it was not in memory. `is_old`: it was, and
    nothing was heard of changes for a while.
    """

    customer_id: UUID
    past: Past
    is_allowed: bool
    version: int | None = None
    is_old: bool = False


class Histories:
    """Reads from the service's own database; None means that it was away."""

    def __init__(
        self, database: Database, timeout_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take how long one answer may wait."""
        self._database = database
        self._timeout_seconds = timeout_seconds
        self._breaker = Breaker(FAILURES_MAX, LEFT_ALONE_SECONDS, monotonic)
        self._late: set[asyncio.Future[Any]] = set()

    async def own(self, customer_id: UUID, channel: str | None, until: datetime | None = None) -> Own | None:
        """Return a customer's past; `until` leaves out what happened later."""
        return await self._within(lambda: self._own(customer_id, channel, until))

    async def warm_up(self) -> None:
        """Open the connections that simultaneous answers will use: opening one takes longer than an answer may."""
        nobody = UUID(int=0)
        await asyncio.gather(*(self._own(nobody, None, None) for _ in range(WARM_CONNECTIONS)))

    async def session_items(self, session_id: str) -> Sequence[str] | None:
        """Return the products last looked at in a session, the latest last."""
        return await self._within(lambda: self._session_items(session_id))

    async def _own(self, customer_id: UUID, channel: str | None, until: datetime | None) -> Own:
        with metrics.HISTORY_SECONDS.time():
            async with self._database.session() as session:
                known = await customers.known(session, customer_id)
            if not allows_personalisation(known.withdrawn_channels, channel):
                return Own(known.customer_id, NOBODY, is_allowed=False)
            counted = known.facts if until is None else [fact for fact in known.facts if fact.at < until]
            return Own(known.customer_id, Past(net_baskets(counted)), is_allowed=True)

    async def _session_items(self, session_id: str) -> Sequence[str]:
        async with self._database.session() as session:
            return await customers.session_items(session, session_id)

    async def _within(self, read: Callable[[], Awaitable[T]]) -> T | None:
        if not self._breaker.lets_pass():
            return None
        # Neither `asyncio.timeout` nor a cancellation: undoing a query asks the server for more than the query did,
        # and a server that does not answer is the worst to ask. What comes late is dropped.
        reading = asyncio.ensure_future(read())
        done, _ = await asyncio.wait({reading}, timeout=self._timeout_seconds)
        if not done:
            self._late.add(reading)
            reading.add_done_callback(self._came_late)
            self._leave_alone(f"no answer within {self._timeout_seconds:g} s")
            return None
        try:
            found = reading.result()
        except TransientError as away:
            self._leave_alone(str(away))
            return None
        self._breaker.succeeded()
        return found

    def _came_late(self, reading: "asyncio.Future[Any]") -> None:
        """Note that the server answers after all; slow is not away."""
        self._late.discard(reading)
        if not reading.cancelled() and reading.exception() is None:
            self._breaker.succeeded()

    def _leave_alone(self, reason: str) -> None:
        """After some failures in a row one answer a second asks, until one is told in time."""
        self._breaker.failed()
        if self._breaker.is_open:
            log.warning("history.away", reason=reason)
