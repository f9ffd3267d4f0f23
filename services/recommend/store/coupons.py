"""Coupons as campaign issued them, their redemptions, and who got how much off."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.recommend.domain.offers import Coupon
from services.recommend.store.sales import BOUGHT
from shared.db import Row, Transaction

COUPONS_MAX = 50
"""Of one customer in one list; those that expire first."""


@dataclass(frozen=True, slots=True)
class CouponRow:
    """A coupon and whose it is; `offer` is null where campaign did not say what it takes off."""

    coupon_id: UUID
    subject_id: UUID
    customer_id: UUID
    campaign_id: str
    starts_at: datetime | None
    expires_at: datetime | None
    issued_at: datetime
    offer: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class RedemptionRow:
    """A redemption as it stands: the highest `n` holds."""

    redemption_id: UUID
    coupon_id: UUID
    subject_id: UUID
    customer_id: UUID
    n: int
    state: str
    store_id: str | None
    discount_minor: int
    currency: str
    redeemed_at: datetime


async def keep_coupons(tx: Transaction, rows: Sequence[CouponRow]) -> None:
    await tx.executemany(
        "INSERT INTO coupons (coupon_id, subject_id, customer_id, campaign_id, starts_at, expires_at, issued_at,"
        " offer) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (coupon_id) DO NOTHING",
        [
            (
                row.coupon_id,
                row.subject_id,
                row.customer_id,
                row.campaign_id,
                row.starts_at,
                row.expires_at,
                row.issued_at,
                row.offer,
            )
            for row in sorted(rows, key=lambda row: row.coupon_id.int)
        ],
    )


async def keep_redemptions(tx: Transaction, rows: Sequence[RedemptionRow]) -> None:
    """Keep the highest `n` of each redemption of a coupon."""
    await tx.executemany(
        "INSERT INTO redemptions AS r (redemption_id, coupon_id, subject_id, customer_id, n, state, store_id,"
        " discount_minor, currency, redeemed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        " ON CONFLICT (redemption_id, coupon_id) DO UPDATE SET n = excluded.n, state = excluded.state,"
        " store_id = excluded.store_id, discount_minor = excluded.discount_minor, currency = excluded.currency,"
        " redeemed_at = excluded.redeemed_at WHERE r.n < excluded.n",
        [
            (
                row.redemption_id,
                row.coupon_id,
                row.subject_id,
                row.customer_id,
                row.n,
                row.state,
                row.store_id,
                row.discount_minor,
                row.currency,
                row.redeemed_at,
            )
            for row in sorted(rows, key=lambda row: (row.redemption_id.int, row.coupon_id.int, row.n))
        ],
    )


async def coupons_of(session: Transaction, customer_id: UUID, now: datetime) -> list[Coupon]:
    """Return the coupons of a customer and of all their subjects that have begun and not ended."""
    rows = await session.fetch(
        "SELECT c.coupon_id, c.campaign_id, c.starts_at, c.expires_at, c.offer, (SELECT count(*) FROM redemptions r"
        " WHERE r.coupon_id = c.coupon_id AND r.state = 'redeemed') AS used FROM coupons c"
        " WHERE c.customer_id IN (SELECT $1::uuid UNION SELECT subject_id FROM assignments WHERE customer_id = $1)"
        " AND c.offer IS NOT NULL AND (c.starts_at IS NULL OR c.starts_at <= $2)"
        " AND (c.expires_at IS NULL OR c.expires_at > $2)"
        " ORDER BY c.expires_at NULLS LAST, c.coupon_id LIMIT $3",
        customer_id,
        now,
        COUPONS_MAX,
    )
    return [_coupon(row) for row in rows]


async def forget_coupons(tx: Transaction, ids: Collection[UUID]) -> None:
    """Delete the coupons and redemptions of people."""
    for table in ("coupons", "redemptions"):
        await tx.execute(
            f"DELETE FROM {table} WHERE customer_id = ANY($1) OR subject_id = ANY($1)",
            list(ids),
        )


async def discounts_by_buyers(session: Transaction, since: datetime, until: datetime) -> list[Row]:
    """Return coupons and discounts by how often customers bought in the period: light, middle, heavy thirds.

    Customers without a purchase are `none`. One row per group and currency.
    """
    return await session.fetch(
        f"{_PEOPLE} SELECT coalesce(b.name, 'none') AS name, {_FIGURES} FROM everybody p"
        " LEFT JOIN buyers b USING (customer_id) LEFT JOIN issued i USING (customer_id)"
        " LEFT JOIN taken t USING (customer_id) GROUP BY 1, t.currency ORDER BY 1, t.currency",
        since,
        until,
    )


async def discounts_by_store(session: Transaction, since: datetime, until: datetime) -> list[Row]:
    """Return discounts by the store that gave them: name, currency, customers, redemptions, discount_minor."""
    return await session.fetch(
        "SELECT coalesce(store_id, 'unknown') AS name, currency, count(DISTINCT customer_id) AS customers,"
        " NULL::bigint AS coupons, count(*) AS redemptions, sum(discount_minor)::bigint AS discount_minor"
        " FROM redemptions WHERE state = 'redeemed' AND redeemed_at >= $1 AND redeemed_at < $2"
        " GROUP BY 1, 2 ORDER BY 1, 2",
        since,
        until,
    )


async def discounts_by_segment(session: Transaction, since: datetime, until: datetime) -> list[Row]:
    """Return coupons and discounts by the segments that customers are in now; somebody in two counts in both.

    Customers in no segment are `none`. One row per segment and currency.
    """
    return await session.fetch(
        f"{_PEOPLE}, inside AS (SELECT DISTINCT coalesce(o.customer_id, m.customer_id) AS customer_id, m.segment_id"
        " FROM segment_memberships m LEFT JOIN owners o ON o.subject_id = m.customer_id WHERE m.is_member)"
        f" SELECT coalesce(s.segment_id, 'none') AS name, {_FIGURES} FROM everybody p"
        " LEFT JOIN inside s USING (customer_id) LEFT JOIN issued i USING (customer_id)"
        " LEFT JOIN taken t USING (customer_id) GROUP BY 1, t.currency ORDER BY 1, t.currency",
        since,
        until,
    )


_PEOPLE = (
    "WITH owners AS (SELECT subject_id, customer_id FROM assignments),"
    " counted AS (SELECT coalesce(o.customer_id, r.subject_id) AS customer_id, count(*) AS receipts FROM receipts r"
    f" LEFT JOIN owners o USING (subject_id) WHERE {BOUGHT}"
    " AND NOT r.is_guest AND r.occurred_at >= $1 AND r.occurred_at < $2 GROUP BY 1),"
    " buyers AS (SELECT customer_id, (ARRAY['light', 'middle', 'heavy'])[ntile(3) OVER"
    " (ORDER BY receipts, customer_id)] AS name FROM counted),"
    " issued AS (SELECT coalesce(o.customer_id, c.customer_id) AS customer_id, count(*) AS coupons FROM coupons c"
    " LEFT JOIN owners o ON o.subject_id = c.customer_id WHERE c.issued_at >= $1 AND c.issued_at < $2 GROUP BY 1),"
    " taken AS (SELECT coalesce(o.customer_id, r.customer_id) AS customer_id, r.currency, count(*) AS redemptions,"
    " sum(r.discount_minor)::bigint AS discount_minor FROM redemptions r LEFT JOIN owners o"
    " ON o.subject_id = r.customer_id WHERE r.state = 'redeemed' AND r.redeemed_at >= $1 AND r.redeemed_at < $2"
    " GROUP BY 1, 2),"
    " everybody AS (SELECT customer_id FROM buyers UNION SELECT customer_id FROM issued"
    " UNION SELECT customer_id FROM taken)"
)
_FIGURES = (
    "t.currency, count(DISTINCT p.customer_id) AS customers, coalesce(sum(i.coupons), 0)::bigint AS coupons,"
    " coalesce(sum(t.redemptions), 0)::bigint AS redemptions,"
    " coalesce(sum(t.discount_minor), 0)::bigint AS discount_minor"
)


def _coupon(row: Row) -> Coupon:
    offer: dict[str, Any] = row["offer"]
    return Coupon(
        coupon_id=row["coupon_id"],
        campaign_id=row["campaign_id"],
        currency=offer["currency"],
        percent=offer.get("percent"),
        amount_minor=offer.get("amount_minor"),
        min_basket_minor=offer.get("min_basket_minor", 0),
        categories=frozenset(offer.get("categories", ())),
        product_ids=frozenset(offer.get("product_ids", ())),
        starts_at=row["starts_at"],
        expires_at=row["expires_at"],
        uses_max=offer.get("uses_max", 1),
        used=row["used"],
    )
