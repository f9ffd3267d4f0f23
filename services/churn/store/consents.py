"""Who wants no score: withdrawals of consent to personalisation, by subject, read by customer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.customers.assignments import Reads
from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class ConsentFact:
    """What a subject said about personalisation on a channel."""

    subject_id: UUID
    channel: str
    is_withdrawn: bool
    occurred_at: datetime
    event_id: UUID


async def keep_consents(tx: Transaction, facts: Sequence[ConsentFact]) -> None:
    """Keep the latest (occurred_at, event_id) of every subject and channel."""
    newest = {
        (fact.subject_id, fact.channel): fact
        for fact in sorted(facts, key=lambda fact: (fact.occurred_at, fact.event_id.int))
    }
    ordered = [newest[key] for key in sorted(newest, key=lambda key: (key[0].int, key[1]))]
    await tx.execute(
        "INSERT INTO consents AS c (subject_id, channel, is_withdrawn, occurred_at, event_id)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::bool[], $4::timestamptz[], $5::uuid[])"
        " ON CONFLICT (subject_id, channel) DO UPDATE SET is_withdrawn = excluded.is_withdrawn,"
        " occurred_at = excluded.occurred_at, event_id = excluded.event_id"
        " WHERE (c.occurred_at, c.event_id) < (excluded.occurred_at, excluded.event_id)",
        [fact.subject_id for fact in ordered],
        [fact.channel for fact in ordered],
        [fact.is_withdrawn for fact in ordered],
        [fact.occurred_at for fact in ordered],
        [fact.event_id for fact in ordered],
    )


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
