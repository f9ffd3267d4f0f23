"""Who wants no score: withdrawals of consent to personalisation, by subject, read by customer."""

from collections.abc import Collection
from uuid import UUID

from shared.customers.assignments import Reads
from shared.db import Transaction


async def objecting_among(reads: Reads, customer_ids: Collection[UUID]) -> set[UUID]:
    """Return which customers want no score: one withdrawal, by any subject and on any channel, speaks for all."""
    rows = await reads.fetch(
        "SELECT DISTINCT coalesce(a.customer_id, c.subject_id) AS customer_id FROM consents c"
        " LEFT JOIN assignments a USING (subject_id)"
        " WHERE c.is_withdrawn AND coalesce(a.customer_id, c.subject_id) = ANY($1::uuid[])",
        list(customer_ids),
    )
    return {row["customer_id"] for row in rows}


async def forget_subjects(tx: Transaction, subject_ids: Collection[UUID]) -> None:
    await tx.execute("DELETE FROM consents WHERE subject_id = ANY($1::uuid[])", list(subject_ids))
