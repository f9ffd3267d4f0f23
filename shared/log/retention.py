"""Retention in a log: bodies past their topic's time go, places, numbers and ids stay.

The archive has no index by time. Numbers rise with time, so a mark per partition says how far bodies have gone, and
each run goes on from there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from uuid import UUID

from shared.clock import Clock
from shared.db import Database, Row, Transaction
from shared.events.catalogue import Topic
from shared.events.retention import body_age_max

EXPIRED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Retention:
    """The recurring task of a service that writes `topics`; those without a time keep everything for ever."""

    database: Database
    clock: Clock
    topics: tuple[Topic, ...]
    partitions: int

    async def run(self) -> None:
        """Let everything go that is due, a bounded transaction at a time."""
        for topic in self.topics:
            kept = body_age_max(topic.name)
            if kept is not None:
                before = self.clock.now() - kept
                for partition in range(self.partitions):
                    await self._expire(topic.name, partition, before)

    async def _expire(self, topic: str, partition: int, before: datetime) -> None:
        expired = EXPIRED_AT_ONCE
        while expired == EXPIRED_AT_ONCE:
            async with self.database.transaction() as tx:
                expired = await expire_next(tx, topic, partition, before)


async def expire_next(tx: Transaction, topic: str, partition: int, before: datetime) -> int:
    """Empty the next bodies of a partition that were stored before a moment; return how many were looked at.

    It stops at the first that is younger, even if older ones should follow: they go with it.
    """
    rows = await tx.fetch(
        "SELECT n.seq, n.event_id, e.stored_at < $3 AS is_due FROM numbered n JOIN events e USING (event_id)"
        " WHERE n.topic = $1 AND n.partition = $2 AND n.seq > coalesce((SELECT seq FROM retention_marks m"
        "  WHERE m.topic = $1 AND m.partition = $2), 0) ORDER BY n.seq LIMIT $4",
        topic,
        partition,
        before,
        EXPIRED_AT_ONCE,
    )
    due = [(row["seq"], row["event_id"]) for row in _leading(rows)]
    if due:
        await _empty(tx, [event_id for _, event_id in due])
        await tx.execute(
            "INSERT INTO retention_marks (topic, partition, seq) VALUES ($1, $2, $3)"
            " ON CONFLICT (topic, partition) DO UPDATE SET seq = excluded.seq",
            topic,
            partition,
            due[-1][0],
        )
    return len(due)


def _leading(rows: Iterable[Row]) -> Iterable[Row]:
    return takewhile(lambda row: bool(row["is_due"]), rows)


async def _empty(tx: Transaction, event_ids: list[UUID]) -> None:
    await tx.execute(
        "UPDATE events SET body = '', traceparent = NULL WHERE event_id = ANY($1::uuid[]) AND body <> ''", event_ids
    )
