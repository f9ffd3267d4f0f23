"""Reading customers, one for an answer or some for the memory, and what a session looked at."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.recommend.domain.facts import Fact
from shared.db import Row, Transaction

SESSION_ITEMS = 10

KEPT = "r.receipt_id, r.occurred_at, r.store_id, r.moved, r.returns_receipt_id, r.replaced_by"
# One that was replaced counts for nothing, but says which receipt its returns take from now.
COUNTS = "r.kind <> 'unknown' AND (NOT r.voided OR r.replaced_by IS NOT NULL) AND NOT r.training"


@dataclass(frozen=True, slots=True)
class Known:
    """A customer as they are now: present id, where personalisation is withdrawn, what they bought, their segments.

    `subject_ids` are given where several customers are read.
    """

    customer_id: UUID
    withdrawn_channels: frozenset[str]
    facts: Sequence[Fact]
    subject_ids: Sequence[UUID] = ()
    segments: tuple[str, ...] = ()


async def known(session: Transaction, customer_or_subject_id: UUID) -> Known:
    """Return whom an id means now; an id that nobody has is a customer without a past.

    The facts are the receipts of all their subjects that count, and the returns of other people that name one of
    these. One statement, because every answer waits for it.
    """
    rows = await session.fetch(
        "WITH me AS (SELECT coalesce((SELECT customer_id FROM assignments WHERE subject_id = $1), $1) AS id),"
        " mine AS (SELECT a.subject_id FROM assignments a JOIN me ON a.customer_id = me.id"
        " UNION SELECT me.id FROM me WHERE NOT EXISTS (SELECT 1 FROM assignments b WHERE b.subject_id = me.id)),"
        " withdrawn AS (SELECT array_agg(DISTINCT c.channel) AS channels FROM consents c JOIN mine USING (subject_id)"
        " WHERE c.is_withdrawn),"
        " held AS (SELECT array_agg(DISTINCT s.segment_id ORDER BY s.segment_id) AS segments"
        " FROM segment_memberships s WHERE s.is_member AND s.customer_id IN"
        " (SELECT id FROM me UNION SELECT subject_id FROM mine))"
        f" SELECT me.id AS customer_id, withdrawn.channels, held.segments, true AS is_own, {KEPT}"
        " FROM me CROSS JOIN withdrawn CROSS JOIN held"
        f" LEFT JOIN (mine JOIN receipts r ON r.subject_id = mine.subject_id AND {COUNTS}) ON true"
        f" UNION ALL SELECT me.id, NULL, NULL, false, {KEPT} FROM me CROSS JOIN mine JOIN receipts o"
        " ON o.subject_id = mine.subject_id JOIN receipts r ON r.returns_receipt_id = o.receipt_id"
        f" WHERE r.subject_id NOT IN (SELECT subject_id FROM mine) AND {COUNTS}",
        customer_or_subject_id,
    )
    return Known(
        rows[0]["customer_id"],
        frozenset(rows[0]["channels"] or ()),
        [fact_of(row, is_own=row["is_own"]) for row in rows if row["receipt_id"] is not None],
        segments=tuple(rows[0]["segments"] or ()),
    )


async def known_of(session: Transaction, customer_ids: Collection[UUID]) -> list[Known]:
    """Return these customers, whose ids are their present ones, with the same facts as `known`."""
    rows = await session.fetch(
        "WITH me AS (SELECT unnest($1::uuid[]) AS id), mine AS (SELECT me.id, a.subject_id FROM me"
        " JOIN assignments a ON a.customer_id = me.id UNION ALL SELECT me.id, me.id FROM me"
        " WHERE NOT EXISTS (SELECT FROM assignments b WHERE b.subject_id = me.id)),"
        " whose AS (SELECT id, array_agg(subject_id) AS subject_ids FROM mine GROUP BY id),"
        " each_of AS (SELECT w.*, (SELECT array_agg(DISTINCT c.channel) FROM consents c"
        " WHERE c.subject_id = ANY(w.subject_ids) AND c.is_withdrawn) AS channels,"
        " (SELECT array_agg(DISTINCT s.segment_id ORDER BY s.segment_id) FROM segment_memberships s"
        " WHERE s.is_member AND (s.customer_id = w.id OR s.customer_id = ANY(w.subject_ids))) AS segments"
        " FROM whose w)"
        f" SELECT e.id, e.subject_ids, e.channels, e.segments, true AS is_own, {KEPT} FROM each_of e"
        f" LEFT JOIN receipts r ON r.subject_id = ANY(e.subject_ids) AND {COUNTS}"
        f" UNION ALL SELECT e.id, e.subject_ids, e.channels, e.segments, false, {KEPT} FROM each_of e"
        " JOIN receipts o ON o.subject_id = ANY(e.subject_ids) JOIN receipts r ON r.returns_receipt_id = o.receipt_id"
        f" WHERE r.subject_id <> ALL(e.subject_ids) AND {COUNTS}",
        list(customer_ids),
    )
    read: dict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        read[row["id"]].append(row)
    return [_known(customer_id, found) for customer_id, found in read.items()]


def _known(customer_id: UUID, rows: Sequence[Row]) -> Known:
    return Known(
        customer_id,
        frozenset(rows[0]["channels"] or ()),
        [fact_of(row, is_own=row["is_own"]) for row in rows if row["receipt_id"] is not None],
        rows[0]["subject_ids"],
        tuple(rows[0]["segments"] or ()),
    )


async def active(session: Transaction, since: datetime, before: datetime) -> list[UUID]:
    """Return the subjects that have receipts in since <= time < before; guests whom nobody claimed are left out."""
    rows = await session.fetch(
        f"SELECT DISTINCT r.subject_id FROM receipts r WHERE r.occurred_at >= $1 AND r.occurred_at < $2 AND {COUNTS}"
        " AND (NOT r.is_guest OR EXISTS (SELECT FROM assignments a WHERE a.subject_id = r.subject_id))",
        since,
        before,
    )
    return [row["subject_id"] for row in rows]


def fact_of(row: Row, *, is_own: bool = True) -> Fact:
    """Return a kept receipt as the domain sees it; of another person's only what it gives back."""
    return Fact(
        str(row["receipt_id"]),
        row["occurred_at"],
        row["store_id"],
        row["moved"] if is_own else [each for each in row["moved"] if each[1] < 0],
        _text(row["returns_receipt_id"]),
        _text(row["replaced_by"]),
    )


def _text(receipt_id: UUID | None) -> str | None:
    return None if receipt_id is None else str(receipt_id)


async def session_items(session: Transaction, session_id: str) -> list[str]:
    """Return the products last looked at in a session, the latest last; none of whoever wants no profiling."""
    rows = await session.fetch(
        "SELECT product_id FROM session_views v WHERE session_id = $1 AND NOT EXISTS (SELECT FROM consents c"
        " WHERE c.subject_id = v.subject_id AND c.is_withdrawn AND c.channel = 'any') GROUP BY product_id"
        " ORDER BY max(viewed_at) DESC, product_id LIMIT $2",
        session_id,
        SESSION_ITEMS,
    )
    return [row["product_id"] for row in reversed(rows)]
