"""What the quality of a day is worked out from, and the figures as they are kept."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.db import Database, Row, Transaction

LISTS_AT_ONCE = 500
KEPT_DAYS = 400
ROWS_MAX = 10_000
_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class QualityRow:
    """The figures of one day, placement and group of customers."""

    day: date
    placement: str
    customer_group: str
    is_final: bool
    figures: Mapping[str, float]


async def oldest_shown(session: Transaction) -> datetime | None:
    found: datetime | None = await session.fetchval("SELECT min(shown_at) FROM shown")
    return found


async def final_days(session: Transaction, since: date) -> set[date]:
    rows = await session.fetch("SELECT DISTINCT day FROM quality_days WHERE is_final AND day >= $1", since)
    return {row["day"] for row in rows}


async def lists_of(database: Database, since: datetime, until: datetime, after: UUID | None) -> list[Row]:
    """Return the next lists shown in a time, by their random ids: the first so many are a fair sample of the day."""
    return await database.fetch(
        "SELECT s.request_id, s.shown_at, s.customer_id, s.placement, s.model_version, s.fallback_level,"
        " s.product_ids, s.took_ms, s.shelf_age_s, EXISTS (SELECT 1 FROM activity a"
        " WHERE a.request_id = s.request_id AND a.action <> 'impression') AS was_clicked"
        " FROM shown s WHERE s.shown_at >= $1 AND s.shown_at < $2 AND s.request_id > $3"
        " ORDER BY s.request_id LIMIT $4",
        since,
        until,
        after or _FIRST,
        LISTS_AT_ONCE,
    )


async def product_types(session: Transaction, product_ids: Collection[str]) -> dict[str, str]:
    rows = await session.fetch(
        "SELECT product_id, categories[array_upper(categories, 1)] AS type FROM products WHERE product_id = ANY($1)",
        list(product_ids),
    )
    return {row["product_id"]: row["type"] for row in rows if row["type"] is not None}


async def purchase_shares(session: Transaction, since: date, until: date) -> dict[str, float]:
    """Return each product's share of all purchases in [since, until)."""
    rows = await session.fetch(
        "SELECT product_id, sum(purchases) AS purchases FROM popularity WHERE day >= $1 AND day < $2"
        " GROUP BY product_id HAVING sum(purchases) > 0",
        since,
        until,
    )
    total = sum(row["purchases"] for row in rows)
    return {row["product_id"]: row["purchases"] / total for row in rows}


async def recommendable_products(session: Transaction) -> int:
    found: int = await session.fetchval(
        "SELECT count(*) FROM products WHERE is_sold"
        " AND attributes -> 'recommendable' IS DISTINCT FROM 'false'::jsonb"
    )
    return found


async def keep(tx: Transaction, day: date, rows: Collection[QualityRow]) -> None:
    """Replace the figures of a day."""
    await tx.execute("DELETE FROM quality_days WHERE day = $1", day)
    await tx.executemany(
        "INSERT INTO quality_days (day, placement, customer_group, is_final, figures) VALUES ($1, $2, $3, $4, $5)",
        [(row.day, row.placement, row.customer_group, row.is_final, dict(row.figures)) for row in rows],
    )


async def forget(session: Transaction, before: date) -> None:
    await session.execute("DELETE FROM quality_days WHERE day < $1", before)


async def kept(
    session: Transaction, since: date, until: date, placement: str | None = None, group: str | None = None
) -> list[QualityRow]:
    """Return the figures of the days in [since, until], oldest first."""
    rows = await session.fetch(
        "SELECT day, placement, customer_group, is_final, figures FROM quality_days WHERE day >= $1 AND day <= $2"
        " AND ($3::text IS NULL OR placement = $3) AND ($4::text IS NULL OR customer_group = $4)"
        " ORDER BY day, placement, customer_group LIMIT $5",
        since,
        until,
        placement,
        group,
        ROWS_MAX,
    )
    return [QualityRow(**dict(row)) for row in rows]
