"""Reading what the API keeps in memory: products, prices now, what is out of stock, popularity now."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.recommend.domain.promotions import PricePeriod
from services.recommend.domain.purchases import days_since_epoch
from shared.db import Row, Transaction

REACH_DAYS = 84


@dataclass(frozen=True, slots=True)
class StoreSales:
    """Decayed purchases of one store: products and their weights."""

    store_id: str
    product_ids: Sequence[str]
    weights: Sequence[float]


async def catalogue_signature(session: Transaction) -> tuple[int, int]:
    """Return a value that changes with any product's description."""
    row = await session.fetchrow(
        "SELECT count(*) AS rows, coalesce(sum(hashtextextended(event_id::text, 0)::numeric), 0)::text AS sum"
        " FROM products"
    )
    assert row is not None
    return row["rows"], int(row["sum"])


async def products(session: Transaction) -> list[Row]:
    """Return what every product is described with."""
    return await session.fetch(
        "SELECT product_id, name, brand, categories, size, is_sold, attributes, launched_on, first_seen_at"
        " FROM products ORDER BY product_id"
    )


async def prices_at(session: Transaction, now: datetime) -> list[Row]:
    """Return product_id, currency and price_minor as they hold at a moment: began last and not ended."""
    return await session.fetch(
        "SELECT DISTINCT ON (product_id) product_id, currency, price_minor FROM prices WHERE store_id IS NULL"
        " AND valid_from_at <= $1 AND (valid_until_at IS NULL OR valid_until_at > $1)"
        " ORDER BY product_id, valid_from_at DESC, occurred_at DESC, event_id DESC",
        now,
    )


async def promoted_prices(session: Transaction, now: datetime, until: datetime) -> list[PricePeriod]:
    """Return the prices that hold at some time of `now` to `until`, of products that have one for a time among them.

    In every store and in each; the standing price that began last stays beside, to tell what is usual.
    """
    rows = await session.fetch(
        "WITH near AS (SELECT * FROM prices WHERE valid_from_at <= $2 AND (valid_until_at IS NULL OR"
        " valid_until_at > $1)), standing AS (SELECT DISTINCT ON (product_id, store_id) * FROM near"
        " WHERE valid_until_at IS NULL AND valid_from_at <= $1"
        " ORDER BY product_id, store_id, valid_from_at DESC, occurred_at DESC, event_id DESC)"
        " SELECT product_id, store_id, price_minor, valid_from_at, valid_until_at FROM (SELECT * FROM standing"
        " UNION ALL SELECT * FROM near WHERE valid_until_at IS NOT NULL OR valid_from_at > $1) every_price"
        " WHERE product_id IN (SELECT product_id FROM near WHERE valid_until_at IS NOT NULL)"
        " ORDER BY product_id, store_id, valid_from_at, event_id",
        now,
        until,
    )
    return [PricePeriod(**dict(row)) for row in rows]


async def out_of_stock(session: Transaction) -> dict[str, frozenset[str]]:
    """Return the products that each store said it has none of."""
    missing: dict[str, list[str]] = defaultdict(list)
    for row in await session.fetch("SELECT store_id, product_id FROM stock WHERE NOT in_stock"):
        missing[row["store_id"]].append(row["product_id"])
    return {store_id: frozenset(product_ids) for store_id, product_ids in missing.items()}


async def closed_stores(session: Transaction) -> frozenset[str]:
    """Return the stores that were said to be closed."""
    return frozenset(row["store_id"] for row in await session.fetch("SELECT store_id FROM stores WHERE NOT is_open"))


# A day's purchases are taken to lie at its noon, UTC.
_AGE = "greatest($1::float8 - ((day - DATE '1970-01-01') + 0.5), 0)"
# Tomorrow is already today in time zones ahead; what lies later was sent by a till whose clock is wrong.
_TODAY = "(DATE '1970-01-01' + floor($1::float8)::int)"
_NEAR = f"day BETWEEN {_TODAY} - {REACH_DAYS} AND {_TODAY} + 1"


async def chain_sales(
    session: Transaction, now: datetime, windows_days: tuple[int, int, int]
) -> dict[str, list[int]]:
    """Return each product's purchases within each window before a moment, in the whole chain."""
    rows = await session.fetch(
        f"SELECT product_id, ARRAY[coalesce(sum(purchases) FILTER (WHERE {_AGE} <= $2::int), 0),"
        f" coalesce(sum(purchases) FILTER (WHERE {_AGE} <= $3::int), 0),"
        f" coalesce(sum(purchases) FILTER (WHERE {_AGE} <= $4::int), 0)]::bigint[] AS sums"
        f" FROM popularity WHERE {_NEAR} GROUP BY product_id",
        days_since_epoch(now),
        *windows_days,
    )
    return {row["product_id"]: row["sums"] for row in rows}


async def store_sales(session: Transaction, now: datetime, half_life_days: float) -> list[StoreSales]:
    """Return each store's purchases before a moment, decayed by age."""
    rows = await session.fetch(
        "SELECT store_id, array_agg(product_id ORDER BY product_id) AS product_ids,"
        " array_agg(weight ORDER BY product_id) AS weights FROM (SELECT store_id, product_id,"
        f" sum(purchases * power(0.5, {_AGE} / $2::float8)) AS weight FROM popularity WHERE {_NEAR}"
        " GROUP BY store_id, product_id) s GROUP BY store_id ORDER BY store_id",
        days_since_epoch(now),
        half_life_days,
    )
    return [StoreSales(row["store_id"], row["product_ids"], row["weights"]) for row in rows]
