"""Limits of sources, the same for all processes together: a bucket in the database, and what each process took ahead.

A source without a limit costs nothing; one that sends seldom, a question for each request; one that sends much, about
four a second. Nobody waits for one who is refused: while the bucket cannot have filled again, the process knows.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from services.ingest import metrics
from services.ingest.domain.buckets import Allowance, Bucket, RateLimit
from services.ingest.domain.sources import Source
from services.ingest.errors import RateLimited
from services.ingest.store import limits as store
from shared.db import Database


@dataclass(slots=True)
class _Known:
    """What a process knows of one source: what it took ahead, and how full the bucket is at most."""

    allowance: Allowance
    most: Bucket
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class Limiter:
    """The limits as one process keeps them; it knows never more than there are sources."""

    database: Database
    seconds: Callable[[], float] = time.monotonic
    _known: dict[str, _Known] = field(default_factory=dict)

    async def take(self, source: Source, events: int) -> None:
        """Let so many events of a source pass. Raises RateLimited, saying when to come again."""
        limit = source.limit
        if limit is None:
            self._known.pop(source.source_id, None)
            return
        known = self._known_of(source.source_id, limit)
        if known.allowance.use(events, self.seconds()):
            return
        async with known.asking:
            # Whoever asked meanwhile may have taken enough.
            if known.allowance.use(events, self.seconds()):
                return
            wait_seconds = known.most.wait_seconds(events, self.seconds())
            if not wait_seconds:
                wait_seconds = await self._ask(source.source_id, known, events)
        if wait_seconds:
            metrics.INGEST_LIMITED.inc(events)
            raise RateLimited(
                f"this source may send {limit.events_per_second} events a second and {limit.burst} at once;"
                f" send the same again in {wait_seconds} s",
                retry_after_seconds=wait_seconds,
            )

    async def _ask(self, source_id: str, known: _Known, events: int) -> int:
        """Take of the bucket in the database; return the seconds to wait where it has not enough."""
        allowance, asked_at = known.allowance, self.seconds()
        ahead = allowance.wanted_ahead(events, asked_at)
        async with self.database.transaction() as tx:
            bucket, now = await store.locked_bucket(tx, source_id, allowance.limit)
            taken = bucket.take(events, now, ahead)
            wait_seconds = 0 if taken else bucket.wait_seconds(events, now)
            await store.put_bucket(tx, source_id, bucket)
        # It was so full at some time since the question: counted from there it is never fuller than this.
        known.most = Bucket(allowance.limit, bucket.left, asked_at)
        if taken:
            allowance.taken(taken - events, asked_at)
        return wait_seconds

    def _known_of(self, source_id: str, limit: RateLimit) -> _Known:
        known = self._known.get(source_id)
        if known is None or known.allowance.limit != limit:
            known = _Known(Allowance(limit), Bucket.full(limit, self.seconds()))
            self._known[source_id] = known
        return known
