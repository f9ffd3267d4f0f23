"""Forgetting a person in a consuming service: what every one of them does alike, before its own tables.

Erased subjects are remembered, so that what comes later, or again, does not bring them back; and each event of an
erasure is noted when it was applied, which is how a service confirms it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.customers.assignments import Reads
from shared.db import Transaction
from shared.events import Envelope
from shared.events.customers import CustomerErasedV1
from shared.log.forgetting import forget_events
from shared.worker.deadletters import forget_letters


@dataclass(frozen=True, slots=True)
class AppliedErasure:
    """How far one service is with an erasure: which subjects are gone here, and since when."""

    subject_ids: tuple[UUID, ...]
    applied_at: datetime | None


async def apply_erasures(tx: Transaction, events: Sequence[Envelope[CustomerErasedV1]]) -> list[UUID]:
    """Forget what all services hold alike: assignments, dead letters, the events of the own log.

    Returns the subjects, sorted, for the service's own tables. Applied again, an erasure leaves what was said because
    of it, such as that a warning is closed.
    """
    subject_ids = sorted({event.subject_id for event in events}, key=lambda subject_id: subject_id.int)
    await tx.execute(
        "INSERT INTO erased_subjects (subject_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING", subject_ids
    )
    await tx.execute("DELETE FROM assignments WHERE subject_id = ANY($1::uuid[])", subject_ids)
    await forget_letters(tx, subject_ids)
    fresh = await _note_applied(tx, events)
    while fresh and await forget_events(tx, fresh):
        pass
    return subject_ids


async def _note_applied(tx: Transaction, events: Sequence[Envelope[CustomerErasedV1]]) -> set[UUID]:
    """Note which subjects of which erasure are applied; return those that were not before."""
    ordered = sorted({(event.data.erasure_id, event.subject_id) for event in events})
    rows = await tx.fetch(
        "INSERT INTO applied_erasures (erasure_id, subject_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])"
        " ON CONFLICT DO NOTHING RETURNING subject_id",
        [erasure_id for erasure_id, _ in ordered],
        [subject_id for _, subject_id in ordered],
    )
    return {row["subject_id"] for row in rows}


async def applied_erasure(reads: Reads, erasure_id: UUID) -> AppliedErasure:
    """Return how far this service is with an erasure."""
    rows = await reads.fetch(
        "SELECT subject_id, applied_at FROM applied_erasures WHERE erasure_id = $1 ORDER BY subject_id", erasure_id
    )
    latest = max((row["applied_at"] for row in rows), default=None)
    return AppliedErasure(tuple(row["subject_id"] for row in rows), latest)


async def erased_among(reads: Reads, subject_ids: Collection[UUID]) -> set[UUID]:
    """Return which of the subjects were erased."""
    rows = await reads.fetch(
        "SELECT subject_id FROM erased_subjects WHERE subject_id = ANY($1::uuid[])", list(subject_ids)
    )
    return {row["subject_id"] for row in rows}
