"""Owns what was learned from everybody's receipts as of a moment: profiles, popularity, product habits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.generators import sized, tifu, upcf
from services.recommend.generators.neighbours import Profiles, profiles_of
from services.recommend.generators.popular import REACH_DAYS, Popularity, popularity_of
from services.recommend.generators.switches import EVERYTHING, Switches
from services.recommend.history import Floats, History, Ints
from services.recommend.training.dataset import Dataset

RECENT_BASKETS = 5
_REBUY_PRIOR, _MOMENTUM_PRIOR = 20.0, 3.0
"""How many baskets, and how many purchases, of the average product every product is given."""


@dataclass(frozen=True)
class ProductHabits:
    """Per product: buyers, the share who bought it again, purchases per buyer, usual gap in days (0: none).

    `rebuy_rate` is the chance that a buyer's later basket holds it again. `momentum` is what buyers of long standing
    bought of it in their last baskets, against what they used to: one for the average of all products, less for what
    goes out of season or off the shelf.
    """

    buyers: Floats
    repeat_rate: Floats
    purchases_per_buyer: Floats
    usual_gap_days: Floats
    rebuy_rate: Floats
    momentum: Floats


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
        **_staying(histories, products, product_count),
    )


def _staying(histories: Sequence[History], products: Ints, product_count: int) -> dict[str, Floats]:
    """Return `rebuy_rate` and `momentum`, both from the kept purchases and shrunk to the average of all products."""
    rows = [_baskets_since(history) for history in histories if history.products.size]
    since, kept, recent = np.concatenate([np.empty((3, 0)), *rows], axis=1)
    is_old = since >= RECENT_BASKETS
    usual = RECENT_BASKETS * (kept - recent) / np.maximum(since - RECENT_BASKETS + 1, 1)

    def total(weights: Floats) -> Floats:
        return np.bincount(products, weights, minlength=product_count).astype(np.float64)

    again, chances = total(kept - 1), total(since)
    lately, expected = total(recent * is_old), total(usual * is_old)
    rate, level = _ratio(again, chances), _ratio(lately, expected)
    return {
        "rebuy_rate": (again + _REBUY_PRIOR * rate) / (chances + _REBUY_PRIOR),
        "momentum": (lately + _MOMENTUM_PRIOR) / (level * expected + _MOMENTUM_PRIOR),
    }


def _baskets_since(history: History) -> Floats:
    """Return per product: baskets since its first kept purchase, kept purchases, those in RECENT_BASKETS."""
    starts = history.starts[:-1]
    recent = np.add.reduceat(history.ago < RECENT_BASKETS, starts, dtype=np.float64)
    return np.stack((history.ago[starts].astype(np.float64), np.diff(history.starts).astype(np.float64), recent))


def _ratio(found: Floats, among: Floats) -> float:
    return float(found.sum()) / max(float(among.sum()), 1e-12)


def popularity_before(dataset: Dataset, as_of: float, ends: Floats | None = None) -> Popularity:
    """Return what was bought before `as_of`, and before each customer's own end where `ends` has them."""
    lines, baskets = dataset.lines_between(as_of - REACH_DAYS, as_of)
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
