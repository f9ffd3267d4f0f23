"""Owns `Visits`, the flat arrays of shopping days from which features and labels are computed."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

_PER_CATEGORY = ("category_visit", "category")


@dataclass(frozen=True)
class Visits:
    """One row per customer and day with a basket (a visit), ordered by customer, then day.

    `customers` is how many customers there are, indexes 0..customers-1, also those without a visit.
    Days are whole local days counted from any fixed day. Category rows say which categories a visit held:
    `category_visit` is the row of the visit, `category` a small integer, each pair once, ordered by visit.
    Unknown store: -1. Build with `visits_of`, which orders rows and checks shapes.
    """

    customers: int
    customer: Ints
    day: Ints
    spend_minor: Ints
    items: Ints
    discount_minor: Ints
    coupon_minor: Ints
    hour: Ints
    store: Ints
    category_visit: Ints
    category: Ints

    def where(self, keep: Bools) -> Self:
        """Only the visits for which `keep` holds, with their categories."""
        new_row = np.cumsum(keep) - 1
        kept = keep[self.category_visit]
        columns: dict[str, Any] = {name: getattr(self, name)[keep] for name in _visit_columns()}
        return replace(
            self,
            **columns,
            category_visit=new_row[self.category_visit[kept]].astype(np.int64),
            category=self.category[kept],
        )

    def before(self, day: int) -> Self:
        return self.where(self.day < day)

    def of_customers(self, chosen: Ints) -> Self:
        """Keep the chosen customers (increasing indexes), renumbered 0..len(chosen)-1."""
        new_index = np.full(self.customers, -1, dtype=np.int64)
        new_index[chosen] = np.arange(len(chosen))
        kept = self.where(new_index[self.customer] >= 0)
        return replace(kept, customers=len(chosen), customer=new_index[kept.customer])

    def span(self) -> tuple[int, int]:
        """First and last day with a visit. Raises ValueError without any visit."""
        if not len(self.day):
            raise ValueError("no visits")
        return int(self.day.min()), int(self.day.max())


def _visit_columns() -> tuple[str, ...]:
    names = (field.name for field in fields(Visits))
    return tuple(name for name in names if name not in {"customers", *_PER_CATEGORY})


def visits_of(customers: int, **columns: NDArray[Any]) -> Visits:
    """Order the rows and check them; columns as in `Visits`, optional ones default to zero (store: -1).

    Raises ValueError for unequal lengths, unknown customers, or two rows of one customer and day.
    """
    rows = len(columns["customer"])
    zeros = np.zeros(rows, dtype=np.int64)
    given = {name: columns.get(name, zeros) for name in _visit_columns()}
    if "store" not in columns:
        given["store"] = zeros - 1
    if any(len(column) != rows for column in given.values()):
        raise ValueError("columns of visits have unequal lengths")
    order = np.lexsort((given["day"], given["customer"]))
    ordered = {name: np.asarray(column)[order].astype(np.int64) for name, column in given.items()}
    _check(customers, ordered["customer"], ordered["day"])
    row_of = np.empty(rows, dtype=np.int64)
    row_of[order] = np.arange(rows)
    category_visit, category = _ordered_categories(columns, row_of)
    return Visits(customers=customers, **ordered, category_visit=category_visit, category=category)


def _check(customers: int, customer: Ints, day: Ints) -> None:
    if len(customer) and not (customer[0] >= 0 and customer[-1] < customers):
        raise ValueError("a visit names a customer outside 0..customers-1")
    if np.any((np.diff(customer) == 0) & (np.diff(day) == 0)):
        raise ValueError("a customer has two visits on one day; a visit is a day with a basket")


def _ordered_categories(columns: dict[str, NDArray[Any]], row_of: Ints) -> tuple[Ints, Ints]:
    empty = np.zeros(0, dtype=np.int64)
    category_visit = columns.get("category_visit", empty).astype(np.int64)
    category = columns.get("category", empty).astype(np.int64)
    visit = row_of[category_visit]
    order = np.lexsort((category, visit))
    visit, category = visit[order], category[order]
    first = np.ones(len(visit), dtype=np.bool_)
    first[1:] = (np.diff(visit) != 0) | (np.diff(category) != 0)
    return visit[first], category[first]
