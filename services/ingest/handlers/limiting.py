"""Limits of sources: each process holds a bucket for every source that has one."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from services.ingest import metrics
from services.ingest.domain.buckets import Bucket
from services.ingest.domain.sources import Source
from services.ingest.errors import RateLimited


@dataclass(slots=True)
class Limiter:
    """The buckets of one process; there are never more than sources."""

    seconds: Callable[[], float] = time.monotonic
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def take(self, source: Source, events: int) -> None:
        """Let so many events of a source pass. Raises RateLimited, saying when to come again."""
        limit = source.limit
        if limit is None:
            self._buckets.pop(source.source_id, None)
            return
        at = self.seconds()
        bucket = self._buckets.get(source.source_id)
        if bucket is None or bucket.limit != limit:
            bucket = self._buckets[source.source_id] = Bucket.full(limit, at)
        wait_seconds = bucket.take(events, at)
        if wait_seconds:
            metrics.INGEST_LIMITED.inc(events)
            raise RateLimited(
                f"this source may send {limit.events_per_second} events a second and {limit.burst} at once;"
                f" send the same again in {wait_seconds} s",
                retry_after_seconds=wait_seconds,
            )
