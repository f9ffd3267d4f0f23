"""Coupons applied as campaign says them, and reported by group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.recommend.store import coupons
from services.recommend.store.coupons import CouponRow, RedemptionRow
from shared.customers.erasures import erased_among
from shared.db import Database, Row, Transaction


@dataclass(frozen=True, slots=True)
class Discounts:
    """What a group of customers got off within a period; minor units of `currency`, which is None without any."""

    by: str
    group: str
    currency: str | None
    customers: int
    coupons: int | None
    redemptions: int
    discount_minor: int


async def record_coupons(tx: Transaction, rows: Sequence[CouponRow]) -> None:
    """Keep coupons, but those of the erased."""
    erased = await erased_among(tx, {each for row in rows for each in (row.subject_id, row.customer_id)})
    kept = [row for row in rows if not erased & {row.subject_id, row.customer_id}]
    await coupons.keep_coupons(tx, kept)


async def record_redemptions(tx: Transaction, rows: Sequence[RedemptionRow]) -> None:
    """Keep redemptions, but those of the erased."""
    erased = await erased_among(tx, {each for row in rows for each in (row.subject_id, row.customer_id)})
    kept = [row for row in rows if not erased & {row.subject_id, row.customer_id}]
    await coupons.keep_redemptions(tx, kept)


async def report(database: Database, since: datetime, until: datetime) -> Sequence[Discounts]:
    """Return who got how much off: by how often customers buy, by segment, and by store."""
    async with database.session() as session:
        buyers = await coupons.discounts_by_buyers(session, since, until)
        segments = await coupons.discounts_by_segment(session, since, until)
        stores = await coupons.discounts_by_store(session, since, until)
    return [
        *(_discounts("buyers", row) for row in buyers),
        *(_discounts("segment", row) for row in segments),
        *(_discounts("store", row) for row in stores),
    ]


def _discounts(by: str, row: Row) -> Discounts:
    return Discounts(
        by,
        row["name"],
        row["currency"],
        row["customers"],
        row["coupons"],
        row["redemptions"],
        row["discount_minor"],
    )
