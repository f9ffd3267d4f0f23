"""What is kept sealed: originals, contact data, refusals; and the audit of who opened what."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.customers.assignments import Reads
from shared.db import Transaction
from shared.keys import Caller
from shared.records import record

Outcome = Literal["refused", "conflict"]


@record
class SealedOriginal:
    event_id: UUID
    key_id: UUID
    sealed: bytes


@dataclass(frozen=True, slots=True)
class SealedEntry:
    subject_id: UUID
    field: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """An input that was not accepted, as it is kept."""

    refusal_id: UUID
    outcome: Outcome
    kind: str
    source_id: str
    lookup_digest: bytes | None
    code: str
    message: str
    field: str | None
    event_id: UUID | None
    key_id: UUID
    sealed: bytes
    received_at: datetime
    source_kind: str
    store_ids: Sequence[str] | None
    times: int = 1
    resolution: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution_note: str | None = None
    resolved_event_id: UUID | None = None


_REFUSAL_COLUMNS = (
    *("refusal_id", "outcome", "kind", "source_id", "lookup_digest", "code", "message", "field", "event_id"),
    *("key_id", "sealed", "received_at", "source_kind", "store_ids"),
)
_REFUSAL_COLUMN_LIST = ", ".join(_REFUSAL_COLUMNS)


async def add_originals(tx: Transaction, originals: Sequence[SealedOriginal]) -> None:
    """Store each once; INSERT rather than COPY, which asks the server twice more for every request."""
    if not originals:
        return
    await tx.execute(
        "INSERT INTO originals (event_id, key_id, sealed) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[])",
        [one.event_id for one in originals],
        [one.key_id for one in originals],
        [one.sealed for one in originals],
    )


async def put_entries(tx: Transaction, entries: Iterable[SealedEntry]) -> None:
    """Store contact data; what is there under the same subject and field is replaced."""
    latest = {(entry.subject_id, entry.field): entry for entry in entries}
    ordered = [latest[place] for place in sorted(latest, key=lambda place: (place[0].int, place[1]))]
    if not ordered:
        return
    await tx.execute(
        "INSERT INTO vault_entries (subject_id, field, sealed)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[])"
        " ON CONFLICT (subject_id, field) DO UPDATE SET sealed = excluded.sealed",
        [entry.subject_id for entry in ordered],
        [entry.field for entry in ordered],
        [entry.sealed for entry in ordered],
    )


async def entries_of(reads: Reads, subject_ids: Collection[UUID]) -> list[SealedEntry]:
    rows = await reads.fetch(
        "SELECT subject_id, field, sealed FROM vault_entries WHERE subject_id = ANY($1::uuid[]) ORDER BY 1, 2",
        list(subject_ids),
    )
    return [SealedEntry(row["subject_id"], row["field"], row["sealed"]) for row in rows]


async def record_refusals(tx: Transaction, refusals: Iterable[Refusal]) -> None:
    """Keep what was refused or conflicts; the same input again only counts up."""
    unique = {refusal.refusal_id: refusal for refusal in refusals}
    ordered = [unique[refusal_id] for refusal_id in sorted(unique, key=lambda one: one.int)]
    await tx.executemany(
        f"INSERT INTO refusals ({_REFUSAL_COLUMN_LIST}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,"
        " $12, $13, $14)"
        " ON CONFLICT (refusal_id) DO UPDATE SET times = refusals.times + 1",
        [[getattr(one, column) for column in _REFUSAL_COLUMNS] for one in ordered],
    )


async def latest_refusal(reads: Reads, lookup_digest: bytes) -> Refusal | None:
    """Return the latest refusal of a message."""
    rows = await reads.fetch(
        "SELECT * FROM refusals WHERE lookup_digest = $1 ORDER BY received_at DESC LIMIT 1",
        lookup_digest,
    )
    return Refusal(**dict(rows[0])) if rows else None


async def audit_reveal(tx: Transaction, caller: Caller, purpose: str, subject_ids: Collection[UUID]) -> None:
    """Keep who opened whose data, and what for."""
    await tx.execute(
        "INSERT INTO reveals (actor, key_id, purpose, subject_ids) VALUES ($1, $2, $3, $4)",
        caller.actor,
        caller.key_id,
        purpose,
        list(subject_ids),
    )
