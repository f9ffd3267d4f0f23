"""Products, prices, stock and stores as they were last described."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A product as it was described at a moment."""

    product_id: str
    name: str
    brand: str | None
    categories: list[str]
    size: str | None
    is_sold: bool
    attributes: dict[str, object]
    launched_on: date | None
    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price from a moment on; None for `store_id`: in every store without its own."""

    event_id: UUID
    product_id: str
    store_id: str | None
    currency: str
    price_minor: int
    valid_from_at: datetime
    valid_until_at: datetime | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class StockRow:
    """Whether a store had a product at a moment."""

    store_id: str
    product_id: str
    in_stock: bool
    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True, slots=True)
class StoreRow:
    """A store as it was described at a moment."""

    store_id: str
    name: str
    time_zone: str
    is_open: bool
    occurred_at: datetime
    event_id: UUID


async def keep_products(tx: Transaction, rows: Sequence[ProductRow]) -> None:
    """Keep the latest (occurred_at, event_id) of every product, and when it was first heard of."""
    ordered = sorted(rows, key=lambda row: row.product_id)
    await tx.executemany(
        "INSERT INTO products AS p (product_id, name, brand, categories, size, is_sold, attributes, launched_on,"
        " occurred_at, event_id, first_seen_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9)"
        " ON CONFLICT (product_id) DO UPDATE SET"
        " name = excluded.name, brand = excluded.brand, categories = excluded.categories, size = excluded.size,"
        " is_sold = excluded.is_sold, attributes = excluded.attributes, launched_on = excluded.launched_on,"
        " occurred_at = excluded.occurred_at, event_id = excluded.event_id"
        " WHERE (p.occurred_at, p.event_id) < (excluded.occurred_at, excluded.event_id)",
        [
            (
                row.product_id,
                row.name,
                row.brand,
                row.categories,
                row.size,
                row.is_sold,
                row.attributes,
                row.launched_on,
                row.occurred_at,
                row.event_id,
            )
            for row in ordered
        ],
    )
    await tx.executemany(
        "UPDATE products SET first_seen_at = $2 WHERE product_id = $1"
        " AND (first_seen_at IS NULL OR first_seen_at > $2)",
        [(row.product_id, row.occurred_at) for row in ordered],
    )


async def insert_prices(tx: Transaction, rows: Sequence[PriceRow]) -> None:
    """Keep every price: which of them holds is a question of the moment."""
    ordered = sorted(rows, key=lambda row: row.event_id.int)
    await tx.execute(
        "INSERT INTO prices (event_id, product_id, store_id, currency, price_minor, valid_from_at, valid_until_at,"
        " occurred_at) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[],"
        " $6::timestamptz[], $7::timestamptz[], $8::timestamptz[]) ON CONFLICT (event_id) DO NOTHING",
        [row.event_id for row in ordered],
        [row.product_id for row in ordered],
        [row.store_id for row in ordered],
        [row.currency for row in ordered],
        [row.price_minor for row in ordered],
        [row.valid_from_at for row in ordered],
        [row.valid_until_at for row in ordered],
        [row.occurred_at for row in ordered],
    )


async def delete_prices(tx: Transaction, before: datetime, at_once: int) -> int:
    """Delete so many prices that hold at no moment from `before` on; return how many went.

    These are the temporary ones that had ended, and the standing ones after which another had begun: of two the later
    holds, as `shelf.prices_at` reads them.
    """
    return await tx.execute(
        "DELETE FROM prices WHERE event_id IN (SELECT event_id FROM (SELECT event_id, valid_until_at AS held_until"
        " FROM prices WHERE valid_until_at IS NOT NULL UNION ALL SELECT event_id, lead(valid_from_at) OVER"
        " (PARTITION BY product_id, store_id ORDER BY valid_from_at, occurred_at, event_id) FROM prices"
        " WHERE valid_until_at IS NULL) AS p WHERE held_until <= $1 LIMIT $2)",
        before,
        at_once,
    )


async def keep_stock(tx: Transaction, rows: Sequence[StockRow]) -> None:
    """Keep the latest (occurred_at, event_id) of every store and product."""
    newest = {
        (row.store_id, row.product_id): row
        for row in sorted(rows, key=lambda row: (row.occurred_at, row.event_id.int))
    }
    ordered = [newest[key] for key in sorted(newest)]
    await tx.execute(
        "INSERT INTO stock AS s (store_id, product_id, in_stock, occurred_at, event_id)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::bool[], $4::timestamptz[], $5::uuid[])"
        " ON CONFLICT (store_id, product_id) DO UPDATE SET in_stock = excluded.in_stock,"
        " occurred_at = excluded.occurred_at, event_id = excluded.event_id"
        " WHERE (s.occurred_at, s.event_id) < (excluded.occurred_at, excluded.event_id)",
        [row.store_id for row in ordered],
        [row.product_id for row in ordered],
        [row.in_stock for row in ordered],
        [row.occurred_at for row in ordered],
        [row.event_id for row in ordered],
    )


async def keep_stores(tx: Transaction, rows: Sequence[StoreRow]) -> None:
    """Keep the latest (occurred_at, event_id) of every store."""
    await tx.executemany(
        "INSERT INTO stores AS s (store_id, name, time_zone, is_open, occurred_at, event_id)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (store_id) DO UPDATE SET name = excluded.name,"
        " time_zone = excluded.time_zone, is_open = excluded.is_open, occurred_at = excluded.occurred_at,"
        " event_id = excluded.event_id"
        " WHERE (s.occurred_at, s.event_id) < (excluded.occurred_at, excluded.event_id)",
        [
            (row.store_id, row.name, row.time_zone, row.is_open, row.occurred_at, row.event_id)
            for row in sorted(rows, key=lambda row: row.store_id)
        ],
    )
