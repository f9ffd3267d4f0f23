"""What the held-back weeks say of what was foretold, judged by code of the demo's own from the raw lines."""

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

GAPS_FOR_OWN_LIMIT = 8
FIXED_LIMIT_DAYS = 28
OWN_LIMIT_DAYS = (14, 42)
ACTIVE_DAYS = 90
REGULAR_DAYS = 112
REGULAR_VISITS = 4


def visit_days(lines: pl.DataFrame) -> dict[str, list[int]]:
    """Return each customer's days with a basket, ordered."""
    days = lines.group_by("customer_id").agg(pl.col("day").unique().sort())
    return dict(days.iter_rows())


def limit_days(days: Sequence[int]) -> int:
    """Return the silence after which a customer counts as lost, by the definition that the warnings state.

    Twice the customer's own 90th-percentile gap, within 14 to 42 days; 28 days below eight known gaps.
    """
    gaps = [later - earlier for earlier, later in pairwise(days)]
    if len(gaps) < GAPS_FOR_OWN_LIMIT:
        return FIXED_LIMIT_DAYS
    p90 = statistics.quantiles(gaps, n=10, method="inclusive")[8]
    low, high = OWN_LIMIT_DAYS
    return int(min(max(2 * p90, low), high))


def was_lost(days: Sequence[int], cut_day: int, end_day: int, limit: int) -> bool:
    """Say whether a silence passed the limit in [cut_day, end_day), whether or not the customer came back later."""
    before = [day for day in days if day < cut_day]
    after = [day for day in days if cut_day <= day < end_day]
    if not before:
        return False
    silences = pairwise([before[-1], *after, end_day])
    return any(stop - start > limit and start + limit >= cut_day for start, stop in silences)


@dataclass(frozen=True, slots=True)
class CameTrue:
    """How many of some customers were lost in the held-back weeks."""

    customers: int
    lost: int

    @property
    def share(self) -> float:
        return self.lost / self.customers if self.customers else 0.0


def came_true(
    visits: Mapping[str, Sequence[int]], customers: Collection[str], cut_day: int, end_day: int
) -> CameTrue:
    """Count the lost among some customers; each one's limit is of what was known at the cut."""
    lost = sum(
        was_lost(visits[customer], cut_day, end_day, limit_days([day for day in visits[customer] if day < cut_day]))
        for customer in customers
    )
    return CameTrue(len(customers), lost)


def regular_at(visits: Mapping[str, Sequence[int]], cut_day: int) -> list[str]:
    """Return the customers with four visits in the 112 days before the cut: those whom a warning can be about."""
    return [
        customer
        for customer, days in visits.items()
        if sum(cut_day - REGULAR_DAYS <= day < cut_day for day in days) >= REGULAR_VISITS
    ]


def active_at(visits: Mapping[str, Sequence[int]], cut_day: int) -> list[str]:
    """Return the customers who came within the 90 days before the cut."""
    return [
        customer for customer, days in visits.items() if any(cut_day - ACTIVE_DAYS <= day < cut_day for day in days)
    ]


@dataclass(frozen=True, slots=True)
class Hits:
    """How many of those who came again bought something of the list they would have been shown."""

    customers: int
    with_a_hit: int
    mean_hits: float

    @property
    def share(self) -> float:
        return self.with_a_hit / self.customers if self.customers else 0.0


def purchases(lines: pl.DataFrame, from_day: int) -> dict[str, set[str]]:
    """Return the products that each customer bought from a day on."""
    later = lines.filter(pl.col("day") >= from_day).group_by("customer_id").agg(pl.col("product_id").unique())
    return {customer: set(products) for customer, products in later.iter_rows()}


def hits(offers: Mapping[str, Sequence[str]], bought_later: Mapping[str, Collection[str]]) -> Hits:
    """Count hits among the customers who bought anything later."""
    counts = [
        sum(product in bought_later[customer] for product in offered)
        for customer, offered in offers.items()
        if customer in bought_later
    ]
    return Hits(len(counts), sum(count > 0 for count in counts), statistics.fmean(counts) if counts else 0.0)


def bought(lines: pl.DataFrame, customer: str, from_day: int) -> dict[str, int]:
    """Return the products that a customer bought from a day on, and on how many days each."""
    chosen = lines.filter((pl.col("customer_id") == customer) & (pl.col("day") >= from_day))
    return dict(chosen.group_by("product_id").agg(pl.col("day").n_unique()).iter_rows())
