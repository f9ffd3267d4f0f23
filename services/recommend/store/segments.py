"""The subjects of those who are in segments, and what members bought lately."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.recommend.store.sales import BOUGHT
from shared.db import Transaction

LATELY_DAYS = 28
PRODUCTS_MAX = 500
"""Of one segment: as many as any list can be filled from."""
MEMBERS_LEAST = 20
"""Of fewer, what they buy would say who they are."""
MEMBERS_MAX = 20_000
"""As many are looked at, drawn by a hash: more would not change what is bought most."""


async def subjects_of(tx: Transaction, customer_ids: Sequence[UUID]) -> set[UUID]:
    """Return the subjects of customers as they are now, and their own ids."""
    rows = await tx.fetch("SELECT subject_id FROM assignments WHERE customer_id = ANY($1)", list(customer_ids))
    return {*customer_ids, *(row["subject_id"] for row in rows)}


async def segment_ids(session: Transaction) -> list[str]:
    """Return the segments that anybody was ever in."""
    rows = await session.fetch(
        "SELECT segment_id FROM segment_memberships UNION SELECT segment_id FROM segment_sales ORDER BY 1"
    )
    return [row["segment_id"] for row in rows]


async def keep_sales(tx: Transaction, segment_id: str, now: datetime) -> None:
    """Count anew how many receipts of a segment's members, of the last weeks, hold each product.

    Whoever withdrew the use of their purchases is left out.
    """
    await tx.execute("DELETE FROM segment_sales WHERE segment_id = $1", segment_id)
    await tx.execute(
        "WITH members AS (SELECT DISTINCT coalesce(o.customer_id, m.customer_id) AS customer_id"
        " FROM segment_memberships m LEFT JOIN assignments o ON o.subject_id = m.customer_id"
        " WHERE m.segment_id = $1 AND m.is_member),"
        " sampled AS (SELECT customer_id FROM members ORDER BY hashtextextended(customer_id::text, 0) LIMIT $4),"
        " theirs AS (SELECT a.subject_id FROM sampled JOIN assignments a USING (customer_id)"
        " UNION SELECT customer_id FROM sampled),"
        " open AS (SELECT subject_id FROM theirs WHERE NOT EXISTS (SELECT FROM consents c"
        " WHERE c.subject_id = theirs.subject_id AND c.is_withdrawn AND c.channel = 'any')),"
        " bought AS (SELECT DISTINCT r.receipt_id, line.value ->> 0 AS product_id FROM open JOIN receipts r"
        " USING (subject_id) CROSS JOIN LATERAL jsonb_array_elements(r.moved) line"
        f" WHERE {BOUGHT}"
        " AND r.occurred_at > $2::timestamptz - make_interval(days => $3) AND r.occurred_at <= $2"
        " AND (line.value ->> 1)::bigint >= 0)"
        " INSERT INTO segment_sales (segment_id, product_id, purchases)"
        " SELECT $1, product_id, count(*) FROM bought WHERE (SELECT count(*) FROM members) >= $5"
        " GROUP BY product_id ORDER BY count(*) DESC, product_id LIMIT $6",
        segment_id,
        now,
        LATELY_DAYS,
        MEMBERS_MAX,
        MEMBERS_LEAST,
        PRODUCTS_MAX,
    )


async def sales(session: Transaction) -> dict[str, dict[str, int]]:
    """Return, by segment, the purchases of each product."""
    found: dict[str, dict[str, int]] = {}
    for row in await session.fetch("SELECT segment_id, product_id, purchases FROM segment_sales ORDER BY 1, 2"):
        found.setdefault(row["segment_id"], {})[row["product_id"]] = row["purchases"]
    return found
