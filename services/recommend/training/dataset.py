"""Owns the columnar table of many customers' baskets, and cutting it at a moment without looking past it."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from services.recommend.domain.purchases import days_since_epoch
from services.recommend.history import Floats, History, Ints, history_of_lines, ranges

if TYPE_CHECKING:
    # Only making a table takes polars; a process that answers reads versions and does without its 35 MB.
    import polars as pl

_MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class Dataset:
    """Baskets ordered by (customer, time, basket id); products distinct within one. Times in days since 1970 UTC."""

    customer_ids: list[str]
    product_ids: list[str]
    store_ids: list[str]
    basket_starts: Ints
    line_starts: Ints
    product: Ints
    at: Floats
    store: Ints
    basket_ids: list[str]

    @property
    def sizes(self) -> Ints:
        return np.diff(self.line_starts)

    @property
    def owner(self) -> Ints:
        """Return the customer of each basket."""
        return np.repeat(np.arange(len(self.customer_ids)), np.diff(self.basket_starts))

    def basket(self, basket: int) -> Ints:
        """Return a basket's products."""
        return self.product[self.line_starts[basket] : self.line_starts[basket + 1]]

    def basket_count_before(self, customer: int, before: float) -> int:
        first, end = self.basket_starts[customer : customer + 2]
        return int(np.searchsorted(self.at[first:end], before, side="left"))

    def history(self, customer: int, before: float) -> History:
        """Return what was known of a customer just before a moment."""
        first = int(self.basket_starts[customer])
        end = first + self.basket_count_before(customer, before)
        sizes = self.sizes_of(first, end)
        lines = slice(self.line_starts[first], self.line_starts[end])
        return history_of_lines(
            product=self.product[lines],
            at=np.repeat(self.at[first:end], sizes),
            ago=np.repeat(np.arange(end - first)[::-1], sizes),
            size=np.repeat(sizes, sizes),
            store=np.repeat(self.store[first:end], sizes),
            basket_at=self.at[first:end],
            basket_size=sizes,
            basket_store=self.store[first:end],
        )

    def sizes_of(self, first: int, end: int) -> Ints:
        return np.diff(self.line_starts[first : end + 1])

    def lines_between(self, since: float, before: float) -> tuple[Ints, Ints]:
        """Return (line numbers, their baskets) of all customers in since <= time < before."""
        baskets = np.flatnonzero((self.at >= since) & (self.at < before))
        sizes = self.sizes[baskets]
        return ranges(self.line_starts[baskets], sizes), np.repeat(baskets, sizes)


def dataset_of(lines: "pl.DataFrame") -> Dataset:
    """Build from receipt lines: customer_id, basket_id, product_id, store_id (text), at (aware)."""
    if lines.is_empty():
        raise ValueError("there are no receipt lines")
    rows = _distinct_lines(lines)
    customers, products, stores = (_codes(rows[name]) for name in ("customer_id", "product_id", "store_id"))
    rows = rows.with_columns(
        customers[1].alias("customer"), products[1].alias("product"), stores[1].alias("store")
    ).sort("customer", "at", "basket_id", "product")
    new_basket = (rows["customer"].diff().fill_null(1) != 0) | (rows["basket_id"] != rows["basket_id"].shift(1))
    starts = np.flatnonzero(new_basket.fill_null(value=True).to_numpy())
    heads = rows[starts]
    return Dataset(
        customer_ids=customers[0],
        product_ids=products[0],
        store_ids=stores[0],
        basket_starts=np.searchsorted(heads["customer"].to_numpy(), np.arange(len(customers[0]) + 1)).astype(
            np.int64
        ),
        line_starts=np.append(starts, rows.height).astype(np.int64),
        product=rows["product"].to_numpy().astype(np.int64),
        at=heads["at"].dt.epoch("us").to_numpy() / _MICROSECONDS_PER_DAY,
        store=np.where(heads["store_id"].to_numpy() == "", -1, heads["store"].to_numpy()).astype(np.int64),
        basket_ids=heads["basket_id"].to_list(),
    )


def moment(at: datetime) -> float:
    """Return an aware time in the dataset's unit."""
    return days_since_epoch(at)


def _distinct_lines(lines: "pl.DataFrame") -> "pl.DataFrame":
    """One row per (basket, product); a basket's time is its last line's, its store its first line's."""
    import polars as pl  # noqa: PLC0415 - see above

    return lines.with_columns(
        pl.col("at").max().over("customer_id", "basket_id"),
        pl.col("store_id").fill_null("").first().over("customer_id", "basket_id"),
    ).unique(["customer_id", "basket_id", "product_id"], keep="first", maintain_order=True)


def _codes(column: "pl.Series") -> "tuple[list[str], pl.Series]":
    """Return (distinct values in order, index of each row's value)."""
    import polars as pl  # noqa: PLC0415 - see above

    names = column.unique().sort()
    return names.to_list(), column.cast(pl.Enum(names)).to_physical().cast(pl.Int64)
