"""What was not accepted: finding it by filters, and what was done about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.ingest.store.kept import Outcome, Refusal
from shared.customers.assignments import Reads
from shared.db import Transaction
from shared.keys import Caller

Resolution = Literal["corrected", "replayed", "new_epoch", "discarded"]


@dataclass(frozen=True, slots=True)
class RefusalFilter:
    """Which refusals: every part that is None leaves all in."""

    outcome: Outcome | None = None
    code: str | None = None
    source_id: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_open: bool | None = None
    store_ids: tuple[str, ...] | None = None
    """Only what came from sources that speak for no other stores."""

    def as_arguments(self) -> tuple[Any, ...]:
        return (
            self.outcome,
            self.code,
            self.source_id,
            self.kind,
            self.since,
            self.until,
            self.is_open,
            self.store_ids,
        )


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was done about one refusal."""

    refusal_id: UUID
    resolution: Resolution
    at: datetime
    actor: str
    note: str | None = None
    event_id: UUID | None = None


_FILTERED_SQL = (
    "($1::text IS NULL OR outcome = $1) AND ($2::text IS NULL OR code = $2) AND ($3::text IS NULL OR source_id = $3)"
    " AND ($4::text IS NULL OR kind = $4) AND ($5::timestamptz IS NULL OR received_at >= $5)"
    " AND ($6::timestamptz IS NULL OR received_at < $6) AND ($7::bool IS NULL OR (resolution IS NULL) = $7)"
    " AND ($8::text[] IS NULL OR store_ids <@ $8)"
)


async def refusals_page(
    reads: Reads, wanted: RefusalFilter, after: tuple[datetime, UUID] | None, limit: int
) -> list[Refusal]:
    """Return refusals, newest first, after a place."""
    rows = await reads.fetch(
        f"SELECT * FROM refusals WHERE {_FILTERED_SQL}"
        " AND ($9::timestamptz IS NULL OR (received_at, refusal_id) < ($9, $10::uuid))"
        " ORDER BY received_at DESC, refusal_id DESC LIMIT $11",
        *wanted.as_arguments(),
        None if after is None else after[0],
        None if after is None else after[1],
        limit,
    )
    return [Refusal(**dict(row)) for row in rows]


async def oldest_refusals(
    reads: Reads, wanted: RefusalFilter, after: tuple[datetime, UUID] | None, limit: int
) -> list[Refusal]:
    """Return refusals in the order in which they came, after a place: that in which they are replayed."""
    rows = await reads.fetch(
        f"SELECT * FROM refusals WHERE {_FILTERED_SQL}"
        " AND ($9::timestamptz IS NULL OR (received_at, refusal_id) > ($9, $10::uuid))"
        " ORDER BY received_at, refusal_id LIMIT $11",
        *wanted.as_arguments(),
        None if after is None else after[0],
        None if after is None else after[1],
        limit,
    )
    return [Refusal(**dict(row)) for row in rows]


async def refusal(reads: Reads, refusal_id: UUID) -> Refusal | None:
    rows = await reads.fetch("SELECT * FROM refusals WHERE refusal_id = $1", refusal_id)
    return Refusal(**dict(rows[0])) if rows else None


async def resolve(tx: Transaction, resolved: Sequence[Resolved]) -> set[UUID]:
    """Keep what was done; return those about which nothing had been done before."""
    ordered = sorted(resolved, key=lambda one: one.refusal_id.int)
    rows = await tx.fetch(
        "UPDATE refusals r SET resolution = done.resolution, resolved_at = done.at, resolved_by = done.actor,"
        " resolution_note = done.note, resolved_event_id = done.event_id"
        " FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::uuid[])"
        " AS done (refusal_id, resolution, at, actor, note, event_id)"
        " WHERE r.refusal_id = done.refusal_id AND r.resolution IS NULL RETURNING r.refusal_id",
        [one.refusal_id for one in ordered],
        [one.resolution for one in ordered],
        [one.at for one in ordered],
        [one.actor for one in ordered],
        [one.note for one in ordered],
        [one.event_id for one in ordered],
    )
    return {row["refusal_id"] for row in rows}


async def audit_opening(tx: Transaction, caller: Caller, purpose: str, refusal_id: UUID) -> None:
    """Keep who opened a refused input, and what for."""
    await tx.execute(
        "INSERT INTO reveals (actor, key_id, purpose, subject_ids, refusal_id) VALUES ($1, $2, $3, '{}', $4)",
        caller.actor,
        caller.key_id,
        purpose,
        refusal_id,
    )
