"""What is known of subjects besides purchases: consent to personalisation, what they looked at, erasures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Transaction

_ERASING = "hashtextextended('recommend.erasing', 0)"


@dataclass(frozen=True, slots=True)
class ViewRow:
    """A product that was looked at, or put into the cart, in a session."""

    session_id: str
    subject_id: UUID
    product_id: str
    viewed_at: datetime


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


async def delete_views(tx: Transaction, before: datetime, at_once: int) -> int:
    """Delete views from before a time, so many at once; return how many went."""
    return await tx.execute(
        "DELETE FROM session_views WHERE (session_id, subject_id, product_id) IN (SELECT session_id, subject_id,"
        " product_id FROM session_views WHERE viewed_at < $1 ORDER BY viewed_at LIMIT $2)",
        before,
        at_once,
    )


async def hold_off_erasures(tx: Transaction) -> None:
    """Have erasures wait for this transaction, or it for them: what it then writes of nobody erased is found by them.

    For whoever writes of people without being in turn with the events about them.
    """
    await tx.execute(f"SELECT pg_advisory_xact_lock_shared({_ERASING})")


async def erase_alone(tx: Transaction) -> None:
    """Wait for whoever holds erasures off; take it before anything of a person is looked for."""
    await tx.execute(f"SELECT pg_advisory_xact_lock({_ERASING})")


async def forget_subjects(tx: Transaction, subject_ids: Sequence[UUID], customer_ids: Sequence[UUID]) -> None:
    """Delete everything that is about a person and no fact of the business."""
    for table in ("consents", "session_views"):
        await tx.execute(f"DELETE FROM {table} WHERE subject_id = ANY($1)", list(subject_ids))
    for table in ("shown", "activity", "segment_memberships"):
        await tx.execute(f"DELETE FROM {table} WHERE customer_id = ANY($1)", [*customer_ids, *subject_ids])
