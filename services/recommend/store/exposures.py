"""What a customer was shown lately and took up, and what the slot for new products came to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.recommend.domain.capping import Exposure
from shared.db import Transaction

LISTS_MAX = 1000
_TAKEN_UP = "('click', 'add_to_cart', 'purchase')"


@dataclass(frozen=True, slots=True)
class ExploredRow:
    """A product that a list showed to learn about it, and with what probability."""

    request_id: UUID
    shown_at: datetime
    product_id: str
    propensity: float


async def exposure_of(session: Transaction, customer_id: UUID, since: datetime) -> Exposure:
    """Return the latest lists that a customer was shown, and when each product was last taken up."""
    lists = await session.fetch(
        "SELECT shown_at, product_ids FROM shown WHERE customer_id = $1 AND shown_at >= $2"
        " ORDER BY shown_at DESC LIMIT $3",
        customer_id,
        since,
        LISTS_MAX,
    )
    taken = await session.fetch(
        "SELECT product_id, max(occurred_at) AS taken_at FROM activity WHERE customer_id = $1"
        f" AND occurred_at >= $2 AND action IN {_TAKEN_UP} GROUP BY product_id",
        customer_id,
        since,
    )
    return Exposure(
        [(row["shown_at"], row["product_ids"]) for row in lists],
        {row["product_id"]: row["taken_at"] for row in taken},
    )


async def insert_explored(tx: Transaction, rows: Sequence[ExploredRow]) -> None:
    await tx.execute(
        "INSERT INTO explored (request_id, shown_at, product_id, propensity)"
        " SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::float8[]) ON CONFLICT DO NOTHING",
        [row.request_id for row in rows],
        [row.shown_at for row in rows],
        [row.product_id for row in rows],
        [row.propensity for row in rows],
    )


async def slot_figures(session: Transaction) -> dict[str, tuple[int, int]]:
    """Return, by product, how often the slot showed it and in how many of these lists it was taken up."""
    rows = await session.fetch(
        "SELECT e.product_id, count(*) AS impressions, count(*) FILTER (WHERE EXISTS (SELECT FROM activity a"
        f" WHERE a.request_id = e.request_id AND a.product_id = e.product_id AND a.action IN {_TAKEN_UP})) AS clicks"
        " FROM explored e GROUP BY e.product_id"
    )
    return {row["product_id"]: (row["impressions"], row["clicks"]) for row in rows}


async def forget_explored(tx: Transaction, before: datetime) -> int:
    """Delete what was explored before a moment, in pieces that hold no lock for long; return how many."""
    return await tx.execute(
        "DELETE FROM explored WHERE request_id IN (SELECT request_id FROM explored WHERE shown_at < $1 LIMIT 5000)",
        before,
    )
