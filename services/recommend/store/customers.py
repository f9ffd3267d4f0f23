"""Reading one customer for an answer, and what a session looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.recommend.domain.facts import Fact
from shared.db import Row, Transaction

SESSION_ITEMS = 10

_KEPT = "r.receipt_id, r.occurred_at, r.store_id, r.moved, r.returns_receipt_id"
_COUNTS = "r.kind <> 'unknown' AND NOT r.voided AND NOT r.training"


@dataclass(frozen=True, slots=True)
class Known:
    """Who a customer is now: their present id, their subjects, and where personalisation is withdrawn."""

    customer_id: UUID
    subject_ids: Sequence[UUID]
    withdrawn_channels: frozenset[str]


async def known(session: Transaction, customer_or_subject_id: UUID) -> Known:
    """Return whom an id means now; an id that nobody has is a customer without a past."""
    rows = await session.fetch(
        "WITH me AS (SELECT coalesce((SELECT customer_id FROM assignments WHERE subject_id = $1), $1) AS id)"
        " SELECT me.id, s.subject_id, c.channel FROM me CROSS JOIN LATERAL"
        " (SELECT a.subject_id FROM assignments a WHERE a.customer_id = me.id"
        " UNION SELECT me.id WHERE NOT EXISTS (SELECT 1 FROM assignments b WHERE b.subject_id = me.id)) s"
        " LEFT JOIN consents c ON c.subject_id = s.subject_id AND c.is_withdrawn",
        customer_or_subject_id,
    )
    if not rows:  # assigned to somebody who holds no subject any more
        return Known(customer_or_subject_id, (), frozenset())
    return Known(
        rows[0]["id"],
        sorted({row["subject_id"] for row in rows}, key=lambda subject_id: subject_id.int),
        frozenset(row["channel"] for row in rows if row["channel"] is not None),
    )


async def facts_of(session: Transaction, subject_ids: Sequence[UUID]) -> list[Fact]:
    """Return the receipts of subjects that count, and the returns of other people that name one of them."""
    rows = await session.fetch(
        f"SELECT {_KEPT}, true AS is_own FROM receipts r WHERE r.subject_id = ANY($1) AND {_COUNTS}"
        f" UNION ALL SELECT {_KEPT}, false FROM receipts o JOIN receipts r ON r.returns_receipt_id = o.receipt_id"
        f" WHERE o.subject_id = ANY($1) AND r.subject_id <> ALL($1) AND {_COUNTS}",
        list(subject_ids),
    )
    return [fact_of(row, is_own=row["is_own"]) for row in rows]


def fact_of(row: Row, *, is_own: bool = True) -> Fact:
    """Return a kept receipt as the domain sees it; of another person's only what it gives back."""
    named = row["returns_receipt_id"]
    return Fact(
        str(row["receipt_id"]),
        row["occurred_at"],
        row["store_id"],
        row["moved"] if is_own else [each for each in row["moved"] if each[1] < 0],
        None if named is None else str(named),
    )


async def session_items(session: Transaction, session_id: str) -> list[str]:
    """Return the products last looked at in a session, the latest last."""
    rows = await session.fetch(
        "SELECT product_id FROM session_views WHERE session_id = $1 GROUP BY product_id"
        " ORDER BY max(viewed_at) DESC, product_id LIMIT $2",
        session_id,
        SESSION_ITEMS,
    )
    return [row["product_id"] for row in reversed(rows)]
