"""Looking into the archive: where an event is, and what a return or void needs of its original."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.customers.assignments import Reads
from shared.events import Envelope, decode
from shared.events.base import EventData

State = Literal["stored", "numbered", "published"]


@dataclass(frozen=True, slots=True)
class Place:
    """How far an event has come."""

    event_id: UUID
    state: State
    topic: str
    partition: int | None
    seq: int | None
    envelope: Envelope[EventData] | None
    """None once its content has expired, or its person was erased."""
    type: str
    stored_at: datetime
    conflicts: int


async def place_of(reads: Reads, event_id: UUID) -> Place | None:
    """Return where an event is; None when it was never accepted."""
    rows = await reads.fetch(
        "SELECT e.topic, e.type, e.body, e.stored_at, n.partition, n.seq,"
        " coalesce(w.published_seq, 0) AS published_seq,"
        " (SELECT count(*) FROM refusals r WHERE r.event_id = e.event_id) AS conflicts"
        " FROM events e LEFT JOIN numbered n USING (event_id)"
        " LEFT JOIN watermarks w ON w.topic = n.topic AND w.partition = n.partition WHERE e.event_id = $1",
        event_id,
    )
    if not rows:
        return None
    row = rows[0]
    return Place(
        event_id=event_id,
        state=_state(row["seq"], row["published_seq"]),
        topic=row["topic"],
        partition=row["partition"],
        seq=row["seq"],
        envelope=decode(row["body"]) if row["body"] else None,
        type=row["type"],
        stored_at=row["stored_at"],
        conflicts=row["conflicts"],
    )


async def envelopes_of(reads: Reads, event_ids: Collection[UUID]) -> dict[UUID, Envelope[EventData]]:
    """Return the archived events among these ids, but of those whose content is gone."""
    rows = await reads.fetch("SELECT event_id, body FROM events WHERE event_id = ANY($1::uuid[])", list(event_ids))
    return {row["event_id"]: decode(row["body"]) for row in rows if row["body"]}


def _state(seq: int | None, published_seq: int) -> State:
    if seq is None:
        return "stored"
    return "published" if seq <= published_seq else "numbered"
