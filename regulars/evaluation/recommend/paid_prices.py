"""Owns which products were on offer, as the prices that people paid tell it: receipts know of no price tags.

What holds on a day is read off the three days before it, so that no list knows a price from a later receipt, nor
from the basket that it is to predict.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl

from services.recommend.domain.promotions import PricePeriod

COLUMNS = ("product_id", "at", "quantity", "amount_minor")
LATELY_DAYS = 3
USUAL_DAYS = 84
LEAST_LATELY, LEAST_USUAL = 2, 5
LEAST_OFF = 0.05
"""Medians of what was paid waver a little; a shelf's own prices do not."""


def moment(days: float) -> datetime:
    """Return the time so many days after 1970-01-01 UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)


def paid(lines: pl.DataFrame) -> pl.DataFrame | None:
    """Return what each line paid for one unit (product_id, at, price_minor); None where lines have no amounts."""
    if not set(COLUMNS) <= set(lines.columns):
        return None
    units = lines.select(COLUMNS).filter((pl.col("quantity") > 0) & (pl.col("amount_minor") > 0))
    found = units.select("product_id", "at", (pl.col("amount_minor") / pl.col("quantity")).alias("price_minor"))
    return None if found.is_empty() else found


def offers(prices: pl.DataFrame, since: datetime, days: int) -> Iterator[PricePeriod]:
    """Yield for every day what was cheaper than usual then: the usual price, and the lower one of that day."""
    for number in range(days):
        day = since + timedelta(days=number)
        for product_id, usual, now in _cheaper(prices, day).iter_rows():
            yield PricePeriod(product_id, None, usual, day)
            yield PricePeriod(product_id, None, now, day, day + timedelta(days=1))


def _cheaper(prices: pl.DataFrame, day: datetime) -> pl.DataFrame:
    """Return (product_id, usual price, price lately) of what is cheaper by LEAST_OFF or more."""
    lately = day - timedelta(days=LATELY_DAYS)
    usual = _median(prices, day - timedelta(days=USUAL_DAYS), lately, LEAST_USUAL, "usual")
    now = _median(prices, lately, day, LEAST_LATELY, "now")
    both = usual.join(now, on="product_id").filter(pl.col("now") <= pl.col("usual") * (1 - LEAST_OFF))
    return both.select("product_id", "usual", "now").sort("product_id")


def _median(prices: pl.DataFrame, since: datetime, before: datetime, least: int, name: str) -> pl.DataFrame:
    within = prices.filter((pl.col("at") >= since) & (pl.col("at") < before))
    found = within.group_by("product_id").agg(pl.col("price_minor").median().round().cast(pl.Int64), pl.len())
    return found.filter(pl.col("len") >= least).select("product_id", pl.col("price_minor").alias(name))
