"""Reading one customer for an answer, and what a session looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.recommend.domain.facts import Fact
from shared.db import Row, Transaction

SESSION_ITEMS = 10

_KEPT = "r.receipt_id, r.occurred_at, r.store_id, r.moved, r.returns_receipt_id, r.replaced_by"
# One that was replaced counts for nothing, but says which receipt its returns take from now.
_COUNTS = "r.kind <> 'unknown' AND (NOT r.voided OR r.replaced_by IS NOT NULL) AND NOT r.training"


@dataclass(frozen=True, slots=True)
class Known:
    """A customer as they are now: their present id, where personalisation is withdrawn, and what they bought."""

    customer_id: UUID
    withdrawn_channels: frozenset[str]
    facts: Sequence[Fact]


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
        " WHERE c.is_withdrawn)"
        f" SELECT me.id AS customer_id, withdrawn.channels, true AS is_own, {_KEPT} FROM me CROSS JOIN withdrawn"
        f" LEFT JOIN (mine JOIN receipts r ON r.subject_id = mine.subject_id AND {_COUNTS}) ON true"
        f" UNION ALL SELECT me.id, NULL, false, {_KEPT} FROM me CROSS JOIN mine JOIN receipts o"
        " ON o.subject_id = mine.subject_id JOIN receipts r ON r.returns_receipt_id = o.receipt_id"
        f" WHERE r.subject_id NOT IN (SELECT subject_id FROM mine) AND {_COUNTS}",
        customer_or_subject_id,
    )
    return Known(
        rows[0]["customer_id"],
        frozenset(rows[0]["channels"] or ()),
        [fact_of(row, is_own=row["is_own"]) for row in rows if row["receipt_id"] is not None],
    )


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
