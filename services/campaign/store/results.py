"""What customers did after a campaign began, summed per arm."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.campaign.domain.result import ArmFigures
from shared.db import Database

_NET_SPENDS = """
people AS (
    SELECT customer_id, min(arm) AS arm FROM asked GROUP BY customer_id HAVING count(DISTINCT arm) = 1
), spends AS (
    SELECT coalesce(owner.customer_id, receipts.subject_id) AS customer_id,
           sum(sold_minor - returned_minor) AS net_minor, bool_or(sold_minor > 0) AS has_bought
    FROM receipts LEFT JOIN assignments AS owner USING (subject_id)
    WHERE occurred_at >= $2 AND occurred_at < $3 AND currency = $4
    AND NOT EXISTS (SELECT 1 FROM voids WHERE voids.receipt_id = receipts.receipt_id)
    GROUP BY 1
)
SELECT arm, count(*) AS customers, count(*) FILTER (WHERE has_bought) AS buyers,
       coalesce(sum(net_minor), 0)::text AS net_minor, coalesce(sum(net_minor * net_minor), 0)::text AS net_squares
FROM people LEFT JOIN spends USING (customer_id) GROUP BY arm
"""
_OF_CAMPAIGN = (
    "WITH asked AS (SELECT coalesce(owner.customer_id, participants.customer_id) AS customer_id, arm"
    " FROM participants LEFT JOIN assignments AS owner ON owner.subject_id = participants.customer_id"
    " WHERE campaign_id = $1 AND arm <> 'suppressed'), "
)
_OF_CUSTOMERS = "WITH asked AS (SELECT unnest($1::uuid[]) AS customer_id, 'all' AS arm), "

NOBODY = ArmFigures(0, 0, 0, 0)


async def outcome_of(
    database: Database, campaign_id: UUID, since: datetime, until: datetime, currency: str
) -> dict[str, ArmFigures]:
    """Return each arm's outcome in [since, until), as drawn.

    Customers who were merged across the arms since are left out of both: they belong to neither.
    """
    return await _figures(database, _OF_CAMPAIGN + _NET_SPENDS, campaign_id, since, until, currency)


async def spend_of(
    database: Database, customer_ids: Collection[UUID], since: datetime, until: datetime, currency: str
) -> ArmFigures:
    """Return what these customers spent in [since, until)."""
    found = await _figures(database, _OF_CUSTOMERS + _NET_SPENDS, list(customer_ids), since, until, currency)
    return found.get("all", NOBODY)


async def _figures(database: Database, query_sql: str, *args: object) -> dict[str, ArmFigures]:
    rows = await database.fetch(query_sql, *args)
    return {
        row["arm"]: ArmFigures(row["customers"], row["buyers"], int(row["net_minor"]), int(row["net_squares"]))
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class Activity:
    """What a campaign did: messages by state, coupons, redemptions that stand, and what they cost."""

    messages: dict[str, int]
    coupons: int
    redemptions: int
    discount_minor: int
    customers_redeeming: int


async def activity_of(database: Database, campaign_id: UUID) -> Activity:
    messages = await database.fetch(
        "SELECT state, count(*) AS messages FROM messages WHERE campaign_id = $1 GROUP BY state", campaign_id
    )
    row = await database.fetchrow(
        "SELECT count(*) AS redemptions, coalesce(sum(discount_minor), 0)::bigint AS discount_minor,"
        " count(DISTINCT customer_id) AS customers,"
        " (SELECT count(*) FROM coupons WHERE campaign_id = $1) AS coupons FROM redemption_items AS items"
        " WHERE campaign_id = $1"
        " AND NOT EXISTS (SELECT 1 FROM rollbacks WHERE rollbacks.redemption_id = items.redemption_id)",
        campaign_id,
    )
    assert row is not None
    return Activity(
        {message["state"]: message["messages"] for message in messages},
        row["coupons"],
        row["redemptions"],
        row["discount_minor"],
        row["customers"],
    )
