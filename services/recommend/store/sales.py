"""Reading the sales of customers, all subjects of each together, by the ids that they had when lists were shown."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from shared.db import Database, Row

_WHOSE = (
    "WITH asked AS (SELECT DISTINCT unnest($1::uuid[]) AS asked_id),"
    " who AS (SELECT asked_id, coalesce(a.customer_id, asked_id) AS customer_id FROM asked"
    " LEFT JOIN assignments a ON a.subject_id = asked_id),"
    " mine AS (SELECT asked_id, a.subject_id FROM who JOIN assignments a USING (customer_id)"
    " UNION SELECT asked_id, customer_id FROM who WHERE NOT EXISTS"
    " (SELECT 1 FROM assignments b WHERE b.subject_id = who.customer_id))"
)
"""`mine`: every subject of whom each of the ids ($1) means now."""
BOUGHT = "r.kind IN ('sale', 'exchange') AND NOT r.voided AND NOT r.training"
"""What makes a receipt `r` one by which something was bought."""


async def between(
    database: Database, customer_ids: Collection[UUID], since: datetime, until: datetime
) -> dict[UUID, list[Row]]:
    """Return the sales of customers, all their subjects together, by the id that was asked for.

    Each row has receipt_id, occurred_at and moved. What was given back later is not taken off: it was wanted.
    """
    rows = await database.fetch(
        f"{_WHOSE} SELECT asked_id, r.receipt_id, r.occurred_at, r.moved FROM mine JOIN receipts r USING (subject_id)"
        f" WHERE {BOUGHT} AND r.occurred_at > $2 AND r.occurred_at <= $3",
        list(customer_ids),
        since,
        until,
    )
    found: dict[UUID, list[Row]] = {}
    for row in rows:
        found.setdefault(row["asked_id"], []).append(row)
    return found


async def counted_before(database: Database, customer_ids: Collection[UUID], before: datetime) -> dict[UUID, int]:
    """Return how many sales each customer, all subjects together, had before a moment."""
    rows = await database.fetch(
        f"{_WHOSE} SELECT asked_id, count(*) AS receipts FROM mine JOIN receipts r USING (subject_id)"
        f" WHERE {BOUGHT} AND r.occurred_at < $2 GROUP BY asked_id",
        list(customer_ids),
        before,
    )
    return {row["asked_id"]: row["receipts"] for row in rows}
