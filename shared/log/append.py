"""Saying an event: a row of the archive and a place in the queue for a number, in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from shared.db import Transaction
from shared.events import Envelope, encode, topic_of
from shared.log.domain import LIVE
from shared.telemetry import current_traceparent


@dataclass(frozen=True, slots=True)
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


async def append(tx: Transaction, events: Sequence[Outgoing]) -> set[UUID]:
    """Archive the events and queue them for numbering; return the ids that were not there before."""
    queued = await archive(tx, events)
    if queued:
        await tx.execute(
            "INSERT INTO unnumbered (event_id, topic, key, lane)"
            " SELECT event_id, topic, key, lane FROM unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[])"
            " WITH ORDINALITY AS queued (event_id, topic, key, lane, place) ORDER BY place",
            [event.event_id for event in queued],
            [event.topic for event in queued],
            [event.key for event in queued],
            [event.lane for event in queued],
        )
    return {event.event_id for event in queued}


async def archive(tx: Transaction, events: Sequence[Outgoing]) -> list[Outgoing]:
    """Store the events without queueing them; return those that were not there before, each once, in their order.

    Ids are inserted in sorted order: two overlapping batches in different orders would deadlock. An id that is
    there already is left as it is, so that saying an event twice says it once.
    """
    if not events:
        return []
    once = {event.event_id: event for event in events}
    ordered = sorted(once.values(), key=lambda event: event.event_id.int)
    rows = await tx.fetch(
        "INSERT INTO events (event_id, topic, key, type, version, body, traceparent)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::bytea[],"
        " $7::text[]) ON CONFLICT (event_id) DO NOTHING RETURNING event_id",
        [event.event_id for event in ordered],
        [event.topic for event in ordered],
        [event.key for event in ordered],
        [event.type for event in ordered],
        [event.version for event in ordered],
        [event.body for event in ordered],
        [event.traceparent for event in ordered],
    )
    fresh = {row["event_id"] for row in rows}
    return [event for event in once.values() if event.event_id in fresh]
