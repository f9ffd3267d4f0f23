"""Owns which coupons people held and what they bought with them, as the Complete Journey tells."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import polars as pl

from regulars.datasets.completejourney import TIME_ZONE, CompleteJourney
from regulars.evaluation.recommend.paid_prices import moment

HELD_BY_ALL = ("Type B", "Type C")
"""Campaigns whose every household was sent every coupon; of Type A each was sent sixteen, and nobody knows which."""


@dataclass(frozen=True)
class CouponHistory:
    """`held`: customer_id, coupon_id, start, end (dates, both included). `covered`: coupon_id, product_id.

    `used`: customer_id, day, coupon_id.
    """

    held: pl.DataFrame
    covered: pl.DataFrame
    used: pl.DataFrame

    def held_by(self, customer_id: str, day: date) -> list[str]:
        """Return the coupons that a customer could use on a day."""
        runs = (pl.col("start") <= day) & (pl.col("end") >= day)
        mine: list[str] = self.held.filter((pl.col("customer_id") == customer_id) & runs)["coupon_id"].to_list()
        return sorted(mine)

    def uses(self, since: date, before: date) -> Iterator[tuple[str, date, list[str]]]:
        """Yield (customer, day, coupons used) of every day on which a customer used any, in order."""
        within = self.used.filter((pl.col("day") >= since) & (pl.col("day") < before))
        days = within.group_by("customer_id", "day").agg(pl.col("coupon_id").unique().sort())
        yield from days.sort("day", "customer_id").iter_rows()

    @property
    def products_of(self) -> dict[str, list[str]]:
        """Return the products that each coupon is for."""
        rows = self.covered.group_by("coupon_id").agg(pl.col("product_id").unique().sort())
        return dict(rows.iter_rows())


def coupons_of(source: CompleteJourney) -> CouponHistory:
    """Read the campaigns of which it is known who held what; a coupon is known by its campaign and its code."""
    campaigns = source.campaign_descriptions.filter(pl.col("campaign_type").cast(pl.String).is_in(HELD_BY_ALL))
    coupons = source.coupons.join(campaigns, on="campaign_id", how="semi").with_columns(_coupon_id())
    sent = source.campaigns.join(campaigns, on="campaign_id").rename({"household_id": "customer_id"})
    held = sent.join(coupons.select("campaign_id", "coupon_id").unique(), on="campaign_id")
    used = source.redemptions.with_columns(_coupon_id()).join(coupons, on="coupon_id", how="semi")
    return CouponHistory(
        held.select("customer_id", "coupon_id", _date("start_date", "start"), _date("end_date", "end")),
        coupons.select("coupon_id", "product_id"),
        used.select(pl.col("household_id").alias("customer_id"), _date("redemption_date", "day"), "coupon_id"),
    )


def local_date(at: float) -> date:
    """Return the till's own date of a moment (days since 1970 UTC)."""
    return moment(at).astimezone(ZoneInfo(TIME_ZONE)).date()


def _date(column: str, name: str) -> pl.Expr:
    return pl.col(column).cast(pl.Date).alias(name)


def _coupon_id() -> pl.Expr:
    return pl.concat_str("campaign_id", "coupon_upc", separator="/").alias("coupon_id")
