"""Owns folding receipts of customers into the `Visits` that features are computed from."""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from services.churn.visits import Bools, Ints, Visits, visits_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNKNOWN_CATEGORY = ""
WEEKDAY_OF_DAY_ZERO = 6
"""Days are proleptic ordinals (`date.toordinal`), of which day 0 would have been a Sunday."""

_NUMBERS = (
    "customer",
    "day",
    "at",
    "hour",
    "store",
    "is_sale",
    "sold_minor",
    "returned_minor",
    "items",
    "discount_minor",
    "coupon_minor",
)


@dataclass(frozen=True, slots=True)
class History:
    """`customer_ids[i]` and `store_ids[i]` name the customer and store that the visits call i; both rising."""

    visits: Visits
    customer_ids: tuple[UUID, ...]
    store_ids: tuple[str, ...]


class HistoryBuilder:
    """Takes receipts in any order and piecewise, so that a year of them never stands in memory as rows."""

    def __init__(self, category_of: Mapping[str, str]) -> None:
        """`category_of` maps a product to its category; products without one share one."""
        self._customers: dict[UUID, int] = {}
        self._stores: dict[str, int] = {}
        names = sorted({UNKNOWN_CATEGORY, *category_of.values()})
        code = {name: number for number, name in enumerate(names)}
        self._category = {product: code[name] for product, name in category_of.items()}
        self._unknown = code[UNKNOWN_CATEGORY]
        self._columns = {name: array("q") for name in _NUMBERS}
        self._pairs = array("q"), array("q")

    def add(self, rows: Iterable[Any]) -> None:
        """Add receipts: customer_id, day, occurred_at, hour, store_id, kind, products, and amounts by name."""
        columns = self._columns
        receipt_of, category_of = self._pairs
        for row in rows:
            receipt = len(columns["day"])
            columns["customer"].append(self._customers.setdefault(row["customer_id"], len(self._customers)))
            columns["store"].append(self._stores.setdefault(row["store_id"], len(self._stores)))
            columns["day"].append(row["day"].toordinal())
            columns["at"].append((row["occurred_at"] - EPOCH) // timedelta(microseconds=1))
            columns["is_sale"].append(row["kind"] != "return")
            for name in ("hour", "sold_minor", "returned_minor", "items", "discount_minor", "coupon_minor"):
                columns[name].append(row[name])
            codes = {self._category.get(product, self._unknown) for product in row["products"]}
            category_of.extend(codes)
            receipt_of.extend([receipt] * len(codes))

    def build(self) -> History:
        """Fold into one row per customer and day with a sale; what came back that day lowers its spend."""
        given = {name: np.frombuffer(column, dtype=np.int64) for name, column in self._columns.items()}
        customer_ids, given["customer"] = _ordered(self._customers, given["customer"])
        store_ids, given["store"] = _ordered(self._stores, given["store"])
        order, first = _days(given)
        day_of_receipt = np.empty(len(order), dtype=np.int64)
        day_of_receipt[order] = np.cumsum(first) - 1
        visits = _folded(given, order, first)
        receipt, category = (np.frombuffer(pair, dtype=np.int64) for pair in self._pairs)
        row = visits.row_of_day[day_of_receipt[receipt]] if len(receipt) else receipt
        folded = visits_of(
            len(customer_ids),
            **visits.columns,
            category_visit=row[row >= 0],
            category=category[row >= 0],
        )
        return History(folded, customer_ids, store_ids)


@dataclass(frozen=True, slots=True)
class _Folded:
    """Columns of the visits, and the row of each customer-day in them (-1: a day with returns alone)."""

    columns: dict[str, Ints]
    row_of_day: Ints


def _ordered(codes: dict[Any, int], column: Ints) -> tuple[tuple[Any, ...], Ints]:
    """Renumber names by their order, so that the same facts give the same arrays however they came."""
    names = tuple(sorted(codes))
    place = np.empty(len(names), dtype=np.int64)
    for number, name in enumerate(names):
        place[codes[name]] = number
    return names, place[column]


def _days(given: Mapping[str, Ints]) -> tuple[Ints, Bools]:
    """Order receipts by customer, day, sales first, time; mark the first of each customer's day."""
    keys = ("hour", "store", "at")
    order = np.lexsort((*(given[key] for key in keys), -given["is_sale"], given["day"], given["customer"]))
    customer, day = given["customer"][order], given["day"][order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (np.diff(customer) != 0) | (np.diff(day) != 0)
    return order.astype(np.int64), first


def _folded(given: Mapping[str, Ints], order: Ints, first: Bools) -> _Folded:
    start = np.flatnonzero(first)
    bought = given["is_sale"][order][start] > 0
    row_of_day = np.where(bought, np.cumsum(bought) - 1, -1).astype(np.int64)
    single = {name: given[name][order][start][bought] for name in ("customer", "day", "hour", "store")}
    summed = {name: _sums(given[name][order], start)[bought] for name in _SUMMED}
    spend = np.maximum(summed.pop("sold_minor") - summed.pop("returned_minor"), 0)
    return _Folded({**single, **summed, "spend_minor": spend}, row_of_day)


_SUMMED = ("sold_minor", "returned_minor", "items", "discount_minor", "coupon_minor")


def _sums(column: Ints, start: Ints) -> Ints:
    if not len(start):
        return np.zeros(0, dtype=np.int64)
    return np.add.reduceat(column, start)


def day_number(day: date) -> int:
    return day.toordinal()


def date_of(day: int) -> date:
    return date.fromordinal(day)
