"""Complete Journey as history to load: its catalogue, its stores, its cardholders, and its receipts by day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from regulars.datasets import completejourney
from regulars.loading.receipts import Till, numbered_baskets, receipts

FIRST_DATE = date(2017, 1, 1)
DAYS = 365
FUEL = "GASOLINE"
FUEL_UNITS = 1000
"""The data count fuel in thousandths of a gallon."""
NOT_GOODS = ("COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "FUEL")
"""Categories of what a till books and nobody recommends: fuel, gift cards, refunds of coupons."""


@dataclass(frozen=True)
class History:
    """A year of one chain's receipts, moved by whole weeks so that `last_date` is a day of it, and cut behind it.

    `households`: how many of them; None for all. `last_date` None keeps the original dates.
    """

    households: int | None
    last_date: date | None = None

    @cached_property
    def till(self) -> Till:
        return Till(completejourney.CURRENCY, completejourney.TIME_ZONE, shift=timedelta(days=self._shift_days))

    @cached_property
    def _shift_days(self) -> int:
        if self.last_date is None:
            return 0
        behind = (self.last_date - (FIRST_DATE + timedelta(days=DAYS - 1))).days
        return -(-behind // 7) * 7

    @cached_property
    def data(self) -> completejourney.CompleteJourney:
        return completejourney.load(self.households)

    @cached_property
    def _numbers(self) -> pl.DataFrame:
        return numbered_baskets(completejourney.load(None).lines)

    @cached_property
    def lines(self) -> pl.DataFrame:
        """The lines up to `last_date`; `day` counts local days from the (moved) first day."""
        last_day = DAYS - 1 if self.last_date is None else (self.last_date - self.date_of(0)).days
        fuel = self.data.products.filter(pl.col("product_type").str.starts_with(FUEL))["product_id"]
        return self.data.lines.filter(pl.col("day") <= last_day).with_columns(
            pl.when(pl.col("product_id").is_in(fuel.implode()))
            .then(pl.col("quantity") / FUEL_UNITS)
            .otherwise(pl.col("quantity"))
        )

    def date_of(self, day: int) -> date:
        """Return the local date of a day of the history, moved."""
        return FIRST_DATE + timedelta(days=day + self._shift_days)

    def day_of(self, at: date) -> int:
        return (at - self.date_of(0)).days

    def morning_of(self, at: date) -> datetime:
        """Return six in the morning of a local date, UTC: before the shops open."""
        return datetime.combine(at, time(6), ZoneInfo(completejourney.TIME_ZONE)).astimezone(UTC)

    def receipts(self, first_day: int, before_day: int) -> Iterator[dict[str, Any]]:
        """Yield the receipts of the days [first_day, before_day), in time order."""
        chosen = self.lines.filter(pl.col("day").is_between(first_day, before_day, closed="left"))
        return receipts(chosen, self._numbers, self.till)

    def receipt_count(self, first_day: int, before_day: int) -> int:
        chosen = self.lines.filter(pl.col("day").is_between(first_day, before_day, closed="left"))
        return chosen["basket_id"].n_unique()

    @cached_property
    def products(self) -> list[dict[str, Any]]:
        """The products that were bought, in the shape of `POST /v1/catalogue/products`.

        The data describe all but seventeen of them; those are booked, and never recommended.
        """
        bought = self.lines.select("product_id").unique()
        rows = bought.join(self.data.products, on="product_id", how="left").sort("product_id").rows(named=True)
        return [_product(row) for row in rows]

    @cached_property
    def stores(self) -> list[dict[str, Any]]:
        """The stores that were visited, in the shape of `POST /v1/catalogue/stores`."""
        visited = self.lines["store_id"].unique().sort()
        return [{"store_id": each, "name": f"Store {each}", "time_zone": self.till.time_zone} for each in visited]

    @cached_property
    def customers(self) -> list[dict[str, Any]]:
        """What the chain knows of some cardholders, in the shape of `POST /v1/customers`."""
        rows = self.data.demographics.sort("household_id").rows(named=True)
        return [_customer(row) for row in rows]


def _product(row: dict[str, Any]) -> dict[str, Any]:
    is_fuel = (row["product_type"] or "").startswith(FUEL)
    levels = (row["department"], FUEL if is_fuel else row["product_category"], row["product_type"])
    return {
        "product_id": row["product_id"],
        "name": _name(row),
        "brand": row["brand"],
        "categories": [level for level in levels if level],
        "is_sold": row["product_category"] is not None and not is_fuel and row["product_category"] not in NOT_GOODS,
        "size": row["package_size"] or None,
        "attributes": {"manufacturer_id": row["manufacturer_id"]},
    }


def _name(row: dict[str, Any]) -> str:
    """Return what the data say of a product, in one line; it has no names of its own."""
    kind = (row["product_type"] or row["product_category"] or row["department"] or "Not described").title()
    return f"{kind} {row['package_size']}".strip() if row["package_size"] else kind


def _customer(row: dict[str, Any]) -> dict[str, Any]:
    attributes = {name: value for name, value in row.items() if name != "household_id" and value is not None}
    return {
        "identifiers": [{"namespace": "loyalty_card", "value": row["household_id"]}],
        "attributes": {name: str(value) for name, value in attributes.items()},
    }
