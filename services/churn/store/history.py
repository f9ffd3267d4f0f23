"""Reading receipts back as the history of customers, slice by slice, from one snapshot."""

from collections.abc import AsyncIterator
from datetime import date
from uuid import UUID

from services.churn.history import History, HistoryBuilder
from shared.db import Database, Row, Transaction

SLICES = 16


async def read_history(
    database: Database, *, since: date, until: date, currency: str, category_level: int
) -> History:
    """Return the visits in [since, until] of all customers.

    Receipts that were voided are left out, and so are those of guests and devices that belong to nobody. Money in
    other currencies than the chain's is not counted; the visit is.
    """
    async with database.transaction(isolation="repeatable_read") as tx:
        builder = HistoryBuilder(await categories(tx, category_level))
        async for rows in _slices(tx, since, until, currency):
            builder.add(rows)
    return builder.build()


async def categories(tx: Transaction, level: int) -> dict[str, str]:
    """Return each product's category of a level, or its deepest where it has no such level."""
    rows = await tx.fetch(
        "SELECT product_id, categories ->> (least($1::int, jsonb_array_length(categories)) - 1) AS category"
        " FROM products WHERE jsonb_array_length(categories) > 0",
        level,
    )
    return {row["product_id"]: row["category"] for row in rows}


async def _slices(tx: Transaction, since: date, until: date, currency: str) -> AsyncIterator[list[Row]]:
    """Yield the receipts by ranges of subject ids, which are evenly spread: no statement takes long."""
    step = (1 << 128) // SLICES
    for number in range(SLICES):
        yield await tx.fetch(
            "SELECT coalesce(a.customer_id, r.subject_id) AS customer_id, r.day, r.occurred_at, r.hour, r.store_id,"
            " r.kind, r.items, r.products,"
            " CASE WHEN r.currency = $5 THEN r.sold_minor ELSE 0 END AS sold_minor,"
            " CASE WHEN r.currency = $5 THEN r.returned_minor ELSE 0 END AS returned_minor,"
            " CASE WHEN r.currency = $5 THEN r.discount_minor ELSE 0 END AS discount_minor,"
            " CASE WHEN r.currency = $5 THEN r.coupon_minor ELSE 0 END AS coupon_minor"
            " FROM receipts r LEFT JOIN assignments a USING (subject_id)"
            " WHERE r.subject_id BETWEEN $1 AND $2 AND r.day BETWEEN $3 AND $4"
            " AND (r.identified OR a.customer_id IS NOT NULL)"
            " AND NOT EXISTS (SELECT 1 FROM voids v WHERE v.voids_receipt_id = r.receipt_id)",
            UUID(int=number * step),
            UUID(int=(number + 1) * step - 1),
            since,
            until,
            currency,
        )
