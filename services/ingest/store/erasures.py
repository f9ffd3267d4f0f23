"""Erasures: requests, the subjects they named, closed identifiers, and what every step removes."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.ingest.domain.policy import GUEST
from shared.customers.assignments import Reads
from shared.db import Row, Transaction

RequestedBy = Literal["customer", "guardian", "authority", "retailer", "ledger"]
Step = Literal["unreadable_at", "rewritten_at", "confirmed_at"]


@dataclass(frozen=True, slots=True)
class Erasure:
    """One request to forget a person, and how far it is."""

    erasure_id: UUID
    customer_id: UUID
    event_id: UUID
    reason: str
    requested_by: RequestedBy
    actor: str
    requested_at: datetime
    guardian: str | None = None
    only_subject_ids: list[UUID] | None = None
    executed_at: datetime | None = None
    unreadable_at: datetime | None = None
    rewritten_at: datetime | None = None
    confirmed_at: datetime | None = None
    counts: dict[str, int] | None = None

    @property
    def state(self) -> Literal["requested", "executed", "unreadable", "rewritten", "confirmed"]:
        if self.confirmed_at is not None:
            return "confirmed"
        if self.rewritten_at is not None:
            return "rewritten"
        if self.unreadable_at is not None:
            return "unreadable"
        return "executed" if self.executed_at is not None else "requested"


_COLUMNS = (
    "erasure_id, customer_id, event_id, reason, requested_by, actor, requested_at, guardian, only_subject_ids,"
    " executed_at, unreadable_at, rewritten_at, confirmed_at, counts"
)


async def add(tx: Transaction, erasure: Erasure) -> None:
    await tx.execute(
        "INSERT INTO erasures (erasure_id, customer_id, event_id, reason, requested_by, actor, requested_at,"
        " guardian, only_subject_ids, counts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '{}')",
        erasure.erasure_id,
        erasure.customer_id,
        erasure.event_id,
        erasure.reason,
        erasure.requested_by,
        erasure.actor,
        erasure.requested_at,
        erasure.guardian,
        erasure.only_subject_ids,
    )


async def erasure(reads: Reads, erasure_id: UUID) -> Erasure | None:
    rows = await reads.fetch(f"SELECT {_COLUMNS} FROM erasures WHERE erasure_id = $1", erasure_id)
    return _erasure(rows[0]) if rows else None


async def lock_customer(tx: Transaction, customer_id: UUID) -> None:
    """Let nobody else ask for this customer's erasure until the transaction ends."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('erasure/' || $1::text, 0))", str(customer_id))


async def waiting_for(reads: Reads, customer_id: UUID) -> UUID | None:
    """Return the customer's erasure that was asked for and not executed yet."""
    rows = await reads.fetch(
        "SELECT erasure_id FROM erasures WHERE customer_id = $1 AND executed_at IS NULL", customer_id
    )
    return rows[0]["erasure_id"] if rows else None


async def due(reads: Reads, event_ids: Collection[UUID]) -> list[Erasure]:
    """Return the erasures that the numbering of these events executes."""
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM erasures WHERE event_id = ANY($1::uuid[]) AND executed_at IS NULL",
        list(event_ids),
    )
    return [_erasure(row) for row in rows]


async def unswept(reads: Reads, limit: int) -> list[Erasure]:
    """Return executed erasures of which something is still to go, the oldest first."""
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM erasures WHERE erasure_id IN"
        " (SELECT erasure_id FROM erased_subjects WHERE swept_at IS NULL) ORDER BY executed_at LIMIT $1",
        limit,
    )
    return [_erasure(row) for row in rows]


async def unconfirmed(reads: Reads, limit: int) -> list[Erasure]:
    """Return some executed erasures that not every service has confirmed: others each time, so that all come up."""
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM erasures WHERE executed_at IS NOT NULL AND confirmed_at IS NULL"
        " ORDER BY random() LIMIT $1",
        limit,
    )
    return [_erasure(row) for row in rows]


def _erasure(row: Row) -> Erasure:
    return Erasure(**dict(row))


async def is_known(reads: Reads, customer_id: UUID) -> bool:
    """Say whether anything is kept under this subject or customer; a receipt that nobody claimed is nobody's."""
    rows = await reads.fetch(
        "SELECT EXISTS (SELECT FROM subjects WHERE subject_id = $1 AND namespace <> $2)"
        " OR EXISTS (SELECT FROM assignments JOIN subjects USING (subject_id)"
        " WHERE customer_id = $1 AND namespace <> $2) AS known",
        customer_id,
        GUEST,
    )
    known: bool = rows[0]["known"]
    return known


async def execute(tx: Transaction, erasure_id: UUID, subject_ids: Sequence[UUID], at: datetime) -> None:
    """Note the erasure as executed, and its subjects as erased, all of them still to be swept.

    One whose subjects were all erased by another has nothing of its own to sweep.
    """
    fresh = await tx.execute(
        "INSERT INTO erased_subjects (subject_id, erasure_id) SELECT unnest($2::uuid[]), $1 ON CONFLICT DO NOTHING",
        erasure_id,
        list(subject_ids),
    )
    await tx.execute("UPDATE erasures SET executed_at = $2 WHERE erasure_id = $1", erasure_id, at)
    if not fresh:
        await note_step(tx, erasure_id, "unreadable_at", at)
        await note_step(tx, erasure_id, "rewritten_at", at)


async def anybody_erased(reads: Reads) -> bool:
    rows = await reads.fetch("SELECT EXISTS (SELECT FROM erased_subjects) AS found")
    found: bool = rows[0]["found"]
    return found


async def subjects_of_erasure(reads: Reads, erasure_id: UUID, *, unswept: bool = False) -> list[UUID]:
    rows = await reads.fetch(
        "SELECT subject_id FROM erased_subjects WHERE erasure_id = $1 AND ($2 OR swept_at IS NULL) ORDER BY 1",
        erasure_id,
        not unswept,
    )
    return [row["subject_id"] for row in rows]


async def sweep_again(tx: Transaction, subject_ids: Collection[UUID]) -> None:
    """Have what came of erased subjects after they were swept removed too."""
    await tx.execute(
        "UPDATE erased_subjects SET swept_at = NULL WHERE subject_id = ANY($1::uuid[])", list(subject_ids)
    )


async def lock_subjects(tx: Transaction, subject_ids: Collection[UUID]) -> None:
    """Let numbering add nothing under these subjects until the transaction ends: what is swept then is all."""
    await tx.execute(
        "SELECT FROM erased_subjects WHERE subject_id = ANY($1::uuid[]) ORDER BY subject_id FOR UPDATE",
        list(subject_ids),
    )


async def note_swept(tx: Transaction, subject_ids: Collection[UUID], at: datetime) -> None:
    await tx.execute(
        "UPDATE erased_subjects SET swept_at = $2 WHERE subject_id = ANY($1::uuid[])", list(subject_ids), at
    )


@dataclass(frozen=True, slots=True)
class SubjectName:
    """What a subject is called by: its identifier, blind."""

    subject_id: UUID
    namespace: str
    blind_index: bytes
    generation: int


async def names_of(reads: Reads, subject_ids: Collection[UUID]) -> list[SubjectName]:
    rows = await reads.fetch(
        "SELECT subject_id, namespace, blind_index, generation FROM subjects WHERE subject_id = ANY($1::uuid[])"
        " ORDER BY subject_id",
        list(subject_ids),
    )
    return [SubjectName(**dict(row)) for row in rows]


async def subject_ids_after(reads: Reads, after: UUID, limit: int) -> list[UUID]:
    """Return the next subjects that are there, by their ids."""
    rows = await reads.fetch(
        "SELECT subject_id FROM subjects WHERE subject_id > $1 ORDER BY subject_id LIMIT $2", after, limit
    )
    return [row["subject_id"] for row in rows]


async def erased_after(reads: Reads, after: UUID, limit: int) -> list[UUID]:
    """Return the next subjects that were erased, by their ids."""
    rows = await reads.fetch(
        "SELECT subject_id FROM erased_subjects WHERE subject_id > $1 ORDER BY subject_id LIMIT $2", after, limit
    )
    return [row["subject_id"] for row in rows]


@dataclass(frozen=True, slots=True)
class ClosedRow:
    """An identifier whose owner was erased."""

    number: int
    digest: bytes
    generation: int
    closed_at: datetime


async def closed_after(reads: Reads, number: int, limit: int) -> list[ClosedRow]:
    rows = await reads.fetch(
        "SELECT number, digest, generation, closed_at FROM closed_identifiers WHERE number > $1"
        " ORDER BY number LIMIT $2",
        number,
        limit,
    )
    return [ClosedRow(**dict(row)) for row in rows]


async def close_identifiers(tx: Transaction, closed: Iterable[tuple[bytes, int, datetime]]) -> None:
    """Close identifiers, given as (digest, generation, when)."""
    rows = sorted(closed)
    await tx.execute(
        "INSERT INTO closed_identifiers (digest, generation, closed_at)"
        " SELECT * FROM unnest($1::bytea[], $2::int[], $3::timestamptz[]) ON CONFLICT DO NOTHING",
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
    )


async def guests_of(reads: Reads, subject_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the guests whose receipts these customers claimed, with the versions of their assignments."""
    rows = await reads.fetch(
        "SELECT subject_id, version FROM assignments JOIN subjects USING (subject_id)"
        " WHERE customer_id = ANY($1::uuid[]) AND namespace = $2 ORDER BY subject_id",
        list(subject_ids),
        GUEST,
    )
    return {row["subject_id"]: row["version"] for row in rows}


_BY_SUBJECT = ("subjects", "assignments", "quarantine", "sightings", "marks")
_BY_PAIR = ("links", "apart", "relations")


async def forget_identity(tx: Transaction, subject_ids: Sequence[UUID]) -> None:
    """Delete who the subjects were: identifiers, assignments, links and relations, and what was decided of them."""
    ids = list(subject_ids)
    for table in _BY_SUBJECT:
        await tx.execute(f"DELETE FROM {table} WHERE subject_id = ANY($1::uuid[])", ids)
    for table in _BY_PAIR:
        await tx.execute(f"DELETE FROM {table} WHERE left_id = ANY($1::uuid[]) OR right_id = ANY($1::uuid[])", ids)
    await tx.execute("DELETE FROM decisions WHERE subject_ids && $1::uuid[]", ids)
    await tx.execute("DELETE FROM hook_failures WHERE key = ANY($1::uuid[]::text[])", ids)
    await tx.execute(
        "UPDATE pending_links SET subject_ids ="
        " ARRAY(SELECT one FROM unnest(subject_ids) AS one WHERE one <> ALL ($1::uuid[]))"
        " WHERE subject_ids && $1::uuid[]",
        ids,
    )
    await tx.execute("DELETE FROM pending_links WHERE cardinality(subject_ids) = 0")


async def forget_sealed(tx: Transaction, key_ids: Sequence[UUID]) -> dict[str, int]:
    """Delete what was sealed under these keys; return how many rows of each table."""
    ids = list(key_ids)
    return {
        "vault_entries": await tx.execute("DELETE FROM vault_entries WHERE subject_id = ANY($1::uuid[])", ids),
        "originals": await tx.execute("DELETE FROM originals WHERE key_id = ANY($1::uuid[])", ids),
        "refusals": await tx.execute("DELETE FROM refusals WHERE key_id = ANY($1::uuid[])", ids),
        "exports": await tx.execute("DELETE FROM exports WHERE customer_id = ANY($1::uuid[])", ids),
    }


async def linked_to_erased(tx: Transaction, event_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Return the links, waiting for these events, that name an erased subject."""
    rows = await tx.fetch(
        "SELECT event_id, subject_ids FROM pending_links p WHERE event_id = ANY($1::uuid[])"
        " AND EXISTS (SELECT FROM erased_subjects e WHERE e.subject_id = ANY (p.subject_ids))",
        list(event_ids),
    )
    return {row["event_id"]: row["subject_ids"] for row in rows}


async def bodies_under(tx: Transaction, event_ids: Collection[UUID]) -> dict[UUID, bytes]:
    """Return the bodies of these events, but of those that tell of erasures."""
    rows = await tx.fetch(
        "SELECT event_id, body FROM events WHERE event_id = ANY($1::uuid[]) AND type <> 'CustomerErased'",
        list(event_ids),
    )
    return {row["event_id"]: row["body"] for row in rows}


async def note_step(tx: Transaction, erasure_id: UUID, step: Step, at: datetime) -> None:
    """Note when a step was first done."""
    await tx.execute(_STEPS[step], erasure_id, at)


_STEPS: Mapping[Step, str] = {
    "unreadable_at": "UPDATE erasures SET unreadable_at = coalesce(unreadable_at, $2) WHERE erasure_id = $1",
    "rewritten_at": "UPDATE erasures SET rewritten_at = coalesce(rewritten_at, $2) WHERE erasure_id = $1",
    "confirmed_at": "UPDATE erasures SET confirmed_at = coalesce(confirmed_at, $2) WHERE erasure_id = $1",
}


async def add_counts(tx: Transaction, erasure_id: UUID, counts: Mapping[str, int]) -> None:
    """Add up how many rows of what were removed."""
    row = await tx.fetchrow("SELECT counts FROM erasures WHERE erasure_id = $1 FOR UPDATE", erasure_id)
    assert row is not None
    total = Counter(row["counts"])
    total.update(counts)
    await tx.execute("UPDATE erasures SET counts = $2 WHERE erasure_id = $1", erasure_id, dict(total))


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A service's word that it holds nothing of an erased person any more."""

    service: str
    applied_at: datetime
    confirmed_at: datetime


async def confirm(tx: Transaction, erasure_id: UUID, confirmation: Confirmation) -> None:
    await tx.execute(
        "INSERT INTO erasure_confirmations (erasure_id, service, applied_at, confirmed_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        erasure_id,
        confirmation.service,
        confirmation.applied_at,
        confirmation.confirmed_at,
    )


async def confirmations_of(reads: Reads, erasure_id: UUID) -> list[Confirmation]:
    rows = await reads.fetch(
        "SELECT service, applied_at, confirmed_at FROM erasure_confirmations WHERE erasure_id = $1 ORDER BY service",
        erasure_id,
    )
    return [Confirmation(**dict(row)) for row in rows]


async def sealed_refusals_after(reads: Reads, after: UUID, limit: int) -> list[Row]:
    """Return the next refused inputs by their ids, sealed."""
    return await reads.fetch(
        "SELECT refusal_id, key_id, sealed FROM refusals WHERE refusal_id > $1 ORDER BY refusal_id LIMIT $2",
        after,
        limit,
    )


async def delete_refusals(tx: Transaction, refusal_ids: Collection[UUID]) -> int:
    return await tx.execute("DELETE FROM refusals WHERE refusal_id = ANY($1::uuid[])", list(refusal_ids))
