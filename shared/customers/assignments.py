"""Applying and reading assignments.

Subjects never change and no state ever moves: a customer is the set of subjects that are assigned to it. So a
merge, and its undoing, is only another assignment, and the order in which they arrive does not matter, because
the highest version counts.
"""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from shared.db import Row, Transaction
from shared.events import Envelope
from shared.events.customers import SubjectAssignedV1


class Reads(Protocol):
    """Anything that can run a query: a transaction, or a database outside of one."""

    async def fetch(self, sql: str, *args: object) -> list[Row]: ...


async def apply_assignments(tx: Transaction, events: Sequence[Envelope[SubjectAssignedV1]]) -> set[UUID]:
    """Keep the highest version of each subject's assignment; return every customer whose set may have changed.

    An erased subject is assigned to nobody, whenever its assignments come.
    """
    newest: dict[UUID, SubjectAssignedV1] = {}
    for event in events:
        known = newest.get(event.data.subject_id)
        if known is None or event.data.version > known.version:
            newest[event.data.subject_id] = event.data
    ordered = [newest[subject_id] for subject_id in sorted(newest, key=lambda subject: subject.int)]
    subject_ids = [assigned.subject_id for assigned in ordered]
    before = set((await customers_of(tx, subject_ids)).values())
    await tx.execute(
        "INSERT INTO assignments (subject_id, customer_id, version)"
        " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS said (subject_id, customer_id, version)"
        " WHERE NOT EXISTS (SELECT FROM erased_subjects e WHERE e.subject_id = said.subject_id)"
        " ON CONFLICT (subject_id) DO UPDATE SET customer_id = excluded.customer_id, version = excluded.version"
        " WHERE assignments.version < excluded.version",
        subject_ids,
        [assigned.customer_id for assigned in ordered],
        [assigned.version for assigned in ordered],
    )
    return before | set((await customers_of(tx, subject_ids)).values())


async def customers_of(reads: Reads, subject_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the customer of each subject; one that was never assigned is its own."""
    rows = await reads.fetch(
        "SELECT subject_id, customer_id FROM assignments WHERE subject_id = ANY($1::uuid[])",
        list(subject_ids),
    )
    assigned = {row["subject_id"]: row["customer_id"] for row in rows}
    return {subject_id: assigned.get(subject_id, subject_id) for subject_id in subject_ids}


async def customer_of(reads: Reads, customer_or_subject_id: UUID) -> UUID:
    """Return whom an id means now: an absorbed customer's id answers as the one that absorbed it."""
    return (await customers_of(reads, [customer_or_subject_id]))[customer_or_subject_id]


async def owners_of(reads: Reads, customer_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return every subject of these customers, with its customer."""
    rows = await reads.fetch(
        "SELECT subject_id, customer_id FROM assignments WHERE customer_id = ANY($1::uuid[])"
        " UNION ALL SELECT id, id FROM unnest($1::uuid[]) AS asked (id)"
        " WHERE NOT EXISTS (SELECT FROM assignments WHERE subject_id = id) ORDER BY 1",
        list(set(customer_ids)),
    )
    return {row["subject_id"]: row["customer_id"] for row in rows}


async def subjects_of(reads: Reads, customer_id: UUID) -> list[UUID]:
    """Return the subjects of a customer, in a fixed order."""
    rows = await reads.fetch(
        "SELECT subject_id FROM assignments WHERE customer_id = $1"
        " UNION SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM assignments WHERE subject_id = $1) ORDER BY 1",
        customer_id,
    )
    return [row["subject_id"] for row in rows]
