"""Saying an event: a row of the archive and a place in the queue for a number, in the caller's transaction."""

from collections.abc import Iterable, Sequence
from typing import Any, Self
from uuid import UUID

from shared.db import Transaction
from shared.events import Envelope, encode, topic_of
from shared.log.domain import LIVE
from shared.records import record
from shared.telemetry import current_traceparent


@record
class Outgoing:
    """An event that is about to be said, already encoded."""

    event_id: UUID
    topic: str
    key: str
    type: str
    version: int
    body: bytes
    traceparent: str | None = None
    lane: int = LIVE

    @classmethod
    def of(cls, envelope: Envelope[Any], lane: int = LIVE) -> Self:
        """Encode an event; its topic is the catalogue's. `lane`: LIVE, or BACKLOG for what may wait for live ones."""
        return cls(
            event_id=envelope.event_id,
            topic=topic_of(envelope.data).name,
            key=envelope.key,
            type=envelope.type,
            version=envelope.version,
            body=encode(envelope),
            traceparent=current_traceparent(),
            lane=lane,
        )


_ARCHIVED = "event_id, topic, key, type, version, body, traceparent"
_SAID = "$1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::bytea[], $7::text[]"
# One statement: half of the time of storing a small request is waiting for answers.
_APPEND = f"""
WITH said AS (
    SELECT * FROM unnest({_SAID}, $8::smallint[], $9::int[]) AS said ({_ARCHIVED}, lane, place)
), stored AS (
    INSERT INTO events ({_ARCHIVED}) SELECT {_ARCHIVED} FROM said ON CONFLICT (event_id) DO NOTHING RETURNING event_id
)
INSERT INTO unnumbered (event_id, topic, key, lane)
SELECT event_id, topic, key, lane FROM said JOIN stored USING (event_id) ORDER BY place
RETURNING event_id
"""


async def append(tx: Transaction, events: Sequence[Outgoing]) -> set[UUID]:
    """Archive the events and queue them for numbering in their order; return the ids that were not there before."""
    if not events:
        return set()
    once = {event.event_id: event for event in events}
    place = {event_id: number for number, event_id in enumerate(once)}
    ordered = _ordered(once.values())
    lanes, places = [event.lane for event in ordered], [place[event.event_id] for event in ordered]
    rows = await tx.fetch(_APPEND, *_columns(ordered), lanes, places)
    return {row["event_id"] for row in rows}


async def archive(tx: Transaction, events: Sequence[Outgoing]) -> list[Outgoing]:
    """Store the events without queueing them; return those that were not there before, each once, in their order.

    An id that is there already is left as it is, so that saying an event twice says it once.
    """
    if not events:
        return []
    once = {event.event_id: event for event in events}
    rows = await tx.fetch(
        f"INSERT INTO events ({_ARCHIVED}) SELECT * FROM unnest({_SAID})"
        " ON CONFLICT (event_id) DO NOTHING RETURNING event_id",
        *_columns(_ordered(once.values())),
    )
    fresh = {row["event_id"] for row in rows}
    return [event for event in once.values() if event.event_id in fresh]


def _ordered(events: Iterable[Outgoing]) -> list[Outgoing]:
    """Return events as they are inserted: two overlapping batches in different orders would deadlock."""
    return sorted(events, key=lambda event: event.event_id.int)


def _columns(events: Sequence[Outgoing]) -> tuple[list[Any], ...]:
    return (
        [event.event_id for event in events],
        [event.topic for event in events],
        [event.key for event in events],
        [event.type for event in events],
        [event.version for event in events],
        [event.body for event in events],
        [event.traceparent for event in events],
    )
