"""What is known of subjects besides purchases: consent to personalisation, what they looked at, erasures."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """What a subject said about personalisation on a channel."""

    subject_id: UUID
    channel: str
    is_withdrawn: bool
    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True, slots=True)
class ViewRow:
    """A product that was looked at, or put into the cart, in a session."""

    session_id: str
    subject_id: UUID
    product_id: str
    viewed_at: datetime


async def erased_among(tx: Transaction, subject_ids: Collection[UUID]) -> set[UUID]:
    """Return which of the subjects were erased."""
    rows = await tx.fetch("SELECT subject_id FROM erased_subjects WHERE subject_id = ANY($1)", list(subject_ids))
    return {row["subject_id"] for row in rows}


async def keep_consents(tx: Transaction, rows: Sequence[ConsentRow]) -> None:
    """Keep the latest (occurred_at, event_id) of every subject and channel."""
    newest = {
        (row.subject_id, row.channel): row
        for row in sorted(rows, key=lambda row: (row.occurred_at, row.event_id.int))
    }
    ordered = [newest[key] for key in sorted(newest, key=lambda key: (key[0].int, key[1]))]
    await tx.execute(
        "INSERT INTO consents AS c (subject_id, channel, is_withdrawn, occurred_at, event_id)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::bool[], $4::timestamptz[], $5::uuid[])"
        " ON CONFLICT (subject_id, channel) DO UPDATE SET is_withdrawn = excluded.is_withdrawn,"
        " occurred_at = excluded.occurred_at, event_id = excluded.event_id"
        " WHERE (c.occurred_at, c.event_id) < (excluded.occurred_at, excluded.event_id)",
        [row.subject_id for row in ordered],
        [row.channel for row in ordered],
        [row.is_withdrawn for row in ordered],
        [row.occurred_at for row in ordered],
        [row.event_id for row in ordered],
    )


async def keep_views(tx: Transaction, rows: Sequence[ViewRow]) -> None:
    """Keep when each product was last looked at in a session."""
    newest: dict[tuple[str, UUID, str], datetime] = {}
    for row in rows:
        key = (row.session_id, row.subject_id, row.product_id)
        newest[key] = max(newest.get(key, row.viewed_at), row.viewed_at)
    ordered = sorted(newest.items(), key=lambda item: (item[0][0], item[0][1].int, item[0][2]))
    await tx.execute(
        "INSERT INTO session_views AS v (session_id, subject_id, product_id, viewed_at)"
        " SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[])"
        " ON CONFLICT (session_id, subject_id, product_id)"
        " DO UPDATE SET viewed_at = greatest(v.viewed_at, excluded.viewed_at)",
        [key[0] for key, _ in ordered],
        [key[1] for key, _ in ordered],
        [key[2] for key, _ in ordered],
        [viewed_at for _, viewed_at in ordered],
    )


async def forget_subjects(tx: Transaction, subject_ids: Sequence[UUID], customer_ids: Sequence[UUID]) -> None:
    """Delete everything that is about a person and no fact of the business."""
    for table in ("consents", "session_views"):
        await tx.execute(f"DELETE FROM {table} WHERE subject_id = ANY($1)", list(subject_ids))
    for table in ("shown", "activity"):
        await tx.execute(f"DELETE FROM {table} WHERE customer_id = ANY($1)", [*customer_ids, *subject_ids])
