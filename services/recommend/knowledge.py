"""Owns what was learned from everybody's receipts as of a moment: profiles, popularity, product habits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.generators import sized, tifu, upcf
from services.recommend.generators.neighbours import Profiles, profiles_of
from services.recommend.generators.popular import Popularity, popularity_of
from services.recommend.generators.switches import EVERYTHING, Switches
from services.recommend.history import Floats, History
from services.recommend.training.dataset import Dataset


@dataclass(frozen=True)
class ProductHabits:
    """Per product: buyers, the share who bought it again, purchases per buyer, usual gap in days (0: none)."""

    buyers: Floats
    repeat_rate: Floats
    purchases_per_buyer: Floats
    usual_gap_days: Floats


@dataclass(frozen=True)
class Knowledge:
    """Everything the generators and features read besides the customer. `as_of` in days since 1970-01-01 UTC."""

    as_of: float
    assortment: Assortment
    store_ids: Sequence[str]
    rows: Mapping[str, int]
    """The profile row of each customer, in the order of the rows."""
    tifu: Profiles
    upcf: Profiles
    sized: Profiles
    popularity: Popularity
    habits: ProductHabits
    switches: Switches = EVERYTHING

    @cached_property
    def stores(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.store_ids)}


def learn(dataset: Dataset, assortment: Assortment, as_of: float, until: Floats | None = None) -> Knowledge:
    """Learn from every basket before `as_of`; `until` may set each customer's own, earlier or later, end instead."""
    ends = np.full(len(dataset.customer_ids), as_of) if until is None else until
    histories = [dataset.history(customer, float(ends[customer])) for customer in range(ends.size)]
    size = len(dataset.product_ids)
    return Knowledge(
        as_of=as_of,
        assortment=assortment,
        store_ids=dataset.store_ids,
        rows={name: row for row, name in enumerate(dataset.customer_ids)},
        tifu=profiles_of([tifu.vector_of(history) for history in histories], size),
        upcf=profiles_of([upcf.vector_of(history) for history in histories], size),
        sized=profiles_of([sized.vector_of(history) for history in histories], size),
        popularity=popularity_before(dataset, as_of, ends),
        habits=habits_of(histories, size),
    )


def habits_of(histories: Sequence[History], product_count: int) -> ProductHabits:
    """Sum up how customers repeat each product."""
    products = np.concatenate([np.empty(0, np.int64), *(history.products for history in histories)])
    counts = np.concatenate([np.empty(0), *(history.count.astype(float) for history in histories)])
    spans = np.concatenate([np.empty(0), *(history.last_at - history.first_at for history in histories)])

    def total(weights: Floats) -> Floats:
        return np.bincount(products, weights, minlength=product_count).astype(np.float64)

    buyers, repeats = total(np.ones(counts.size)), total(counts - 1)
    return ProductHabits(
        buyers=buyers,
        repeat_rate=total((counts > 1).astype(float)) / np.maximum(buyers, 1),
        purchases_per_buyer=total(counts) / np.maximum(buyers, 1),
        usual_gap_days=np.where(repeats > 0, total(spans) / np.maximum(repeats, 1), 0.0),
    )


def popularity_before(dataset: Dataset, as_of: float, ends: Floats | None = None) -> Popularity:
    """Return what was bought before `as_of`, and before each customer's own end where `ends` has them."""
    lines, baskets = dataset.lines_between(-np.inf, as_of)
    if ends is not None:
        seen = dataset.at[baskets] < ends[dataset.owner[baskets]]
        lines, baskets = lines[seen], baskets[seen]
    return popularity_of(
        dataset.product[lines],
        dataset.store[baskets],
        as_of - dataset.at[baskets],
        np.ones(lines.size),
        len(dataset.product_ids),
        len(dataset.store_ids),
    )
