"""Owns judging what a segment buys as a list for people of whom little is known, beside what their store sells.

Segments are of two kinds: what people said of themselves, for those of whom no purchase is known; and the taste that
a newcomer's first baskets tell, for what follows their own products. Customers are parted into folds: neither a
segment's sales nor the store's hold anything of those who are judged by them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import Values, figures, intervals, means, paired_differences
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.new_customers import IN_STORE, blended, last_baskets
from regulars.evaluation.recommend.next_basket import temporal_cut, top
from regulars.evaluation.recommend.tastes import Tastes, by_category, tastes_of
from services.recommend.generators.popular import REACH_DAYS, Popularity, popularity_of
from services.recommend.generators.segments import SegmentSales
from services.recommend.history import Bools, Floats, Ints
from services.recommend.store.segments import LATELY_DAYS, MEMBERS_LEAST, PRODUCTS_MAX
from services.recommend.training.origins import HORIZON_DAYS, Target, origin_at

FOLDS = 5
SEED = 3
BASKETS = (1, 2, 4)
LEAST_BASKETS = 10
"""Of a customer from whom tastes are learned."""
LEAST_LISTS = 30
LIST_LENGTH = 20
TASTE = "taste"
_BEHIND = 1e-6
_TINY = 1e-12
Rows = dict[str, dict[str, list[Values]]]


def evaluate_segments(
    data: Evaluated, progress: Progress = lambda _: None, before: float | None = None
) -> dict[str, Any]:
    """Judge the segment's list and the store's by the first basket of the four weeks before `before` (the test's)."""
    cut = (temporal_cut(data.dataset) if before is None else before) - HORIZON_DAYS
    targets = origin_at(data.dataset, cut).targets
    fold = np.random.default_rng(SEED).integers(0, FOLDS, len(data.dataset.customer_ids))
    rows: Rows = {}
    for number in range(FOLDS):
        progress(f"segments: customers {number + 1} of {FOLDS}")
        crowd = Crowd(data, cut, fold != number)
        for target in targets:
            if fold[target.customer] == number:
                _judge(crowd, target, rows)
    kept = {name: ways for name, ways in rows.items() if len(ways[IN_STORE]) >= LEAST_LISTS}
    return {"data": data.name, "part": "segments", "groups": {name: _report(ways) for name, ways in kept.items()}}


@dataclass(frozen=True)
class Newcomer:
    """What is known of somebody: the products they own, and a segment by its way of being known and its number."""

    known: str
    owned: Ints
    kind: str
    segment: int


class Crowd:
    """What other customers bought before a moment, in their stores and in each segment."""

    def __init__(self, data: Evaluated, cut: float, is_member: Bools) -> None:
        """Count what `is_member` customers bought lately."""
        self._data, self._cut, self._is_member = data, cut, is_member
        self.dataset = dataset = data.dataset
        lines, baskets = dataset.lines_between(cut - REACH_DAYS, cut)
        mine = is_member[dataset.owner[baskets]]
        self._product, self._basket = dataset.product[lines[mine]], baskets[mine]
        self._sales: dict[tuple[str, int], SegmentSales | None] = {}

    @cached_property
    def popularity(self) -> Popularity:
        dataset, baskets = self._data.dataset, self._basket
        age = self._cut - dataset.at[baskets]
        size, stores = len(dataset.product_ids), len(dataset.store_ids)
        return popularity_of(self._product, dataset.store[baskets], age, np.ones(age.size), size, stores)

    @cached_property
    def segments(self) -> Mapping[str, Ints]:
        """Return every customer's segment, kind by kind; -1 where it is not known."""
        return {**self._data.said, TASTE: self._tastes.nearest(self._counts)}

    def newcomers(self, customer: int) -> Iterator[Newcomer]:
        """Yield the customer as if nothing, or only their last baskets, were known."""
        nothing = np.empty(0, np.int64)
        for kind, segment in self._data.said.items():
            yield Newcomer(f"nothing bought, {kind} known", nothing, kind, int(segment[customer]))
        known = self._data.dataset.basket_count_before(customer, self._cut)
        for count in BASKETS:
            if known > count:
                history = last_baskets(self._data.dataset, customer, self._cut, count)
                theirs = self._by_category(history.product, np.zeros_like(history.product), 1)
                taste = int(self._tastes.nearest(theirs)[0])
                yield Newcomer(f"last {count} baskets, what is new", history.products, TASTE, taste)

    def sales(self, kind: str, segment: int) -> SegmentSales | None:
        """Return what a segment buys, as serving counts it; None of one that is too small or not known."""
        if (kind, segment) not in self._sales:
            self._sales[kind, segment] = self._counted(kind, segment) if segment >= 0 else None
        return self._sales[kind, segment]

    def _counted(self, kind: str, segment: int) -> SegmentSales | None:
        dataset = self._data.dataset
        owner = dataset.owner[self._basket]
        theirs = (self.segments[kind][owner] == segment) & (dataset.at[self._basket] >= self._cut - LATELY_DAYS)
        if np.unique(owner[theirs]).size < MEMBERS_LEAST:
            return None
        counts = np.bincount(self._product[theirs], minlength=len(dataset.product_ids)).astype(np.float64)
        products = top(counts, PRODUCTS_MAX)
        products = products[counts[products] > 0]
        return SegmentSales({kind: (products, counts[products] / counts[products].sum())})

    @cached_property
    def _counts(self) -> Floats:
        """Return everybody's purchases by category: of members all, of others none."""
        dataset = self._data.dataset
        lines, baskets = dataset.lines_between(-np.inf, self._cut)
        owner = dataset.owner[baskets]
        mine = self._is_member[owner]
        return self._by_category(dataset.product[lines[mine]], owner[mine], len(dataset.customer_ids))

    @cached_property
    def _tastes(self) -> Tastes:
        dataset = self._data.dataset
        customers = np.flatnonzero(self._is_member)
        known = np.array([dataset.basket_count_before(customer, self._cut) for customer in customers.tolist()])
        often = customers[known >= LEAST_BASKETS]
        return tastes_of(self._counts[often if often.size else customers])

    def _by_category(self, product: Ints, customer: Ints, customers: int) -> Floats:
        return by_category(self._data.assortment.level("category"), product, customer, customers)


def _judge(crowd: Crowd, target: Target, rows: Rows) -> None:
    """Add the figures of every list for a target, of each way in which little may be known of its customer."""
    dataset = crowd.dataset
    wanted, store = dataset.basket(target.basket), int(dataset.store[target.basket])
    for newcomer in crowd.newcomers(target.customer):
        for name, scores in _ways(crowd, newcomer, store).items():
            scores[newcomer.owned] = -np.inf
            ways = rows.setdefault(newcomer.known, {})
            ways.setdefault(name, []).append(figures(top(scores, LIST_LENGTH), wanted, newcomer.owned))


def _ways(crowd: Crowd, newcomer: Newcomer, store: int) -> dict[str, Floats]:
    """Return every product's score, way by way; nothing where no segment says anything."""
    sales = crowd.sales(newcomer.kind, newcomer.segment)
    if sales is None:
        return {}
    popularity, size = crowd.popularity, len(crowd.dataset.product_ids)
    month = popularity.chain[1]
    alone, weighed = (sales.scores((newcomer.kind,), popularity, where, size) for where in (-1, store))
    here = blended(popularity, store, size)
    return {
        "popularity": month.copy(),
        IN_STORE: here,
        "segment": alone + _BEHIND * month,
        "segment, weighed by the store": weighed + _BEHIND * month,
        "store, weighed by the segment": here * (alone + month + _TINY) / (2 * month + _TINY),
        "store + chain": here + month,
        "store + chain, of what the store sells": popularity.sold_in_store(store, size) + _BEHIND * month,
        "store + segment": here + alone,
        "store + chain + segment": here + (month + alone) / 2,
    }


def _report(ways: Mapping[str, list[Values]]) -> dict[str, Any]:
    whole = {name: np.array(values) for name, values in ways.items()}
    others = {name: values for name, values in whole.items() if name != IN_STORE}
    return {
        "customers": int(whole[IN_STORE].shape[0]),
        "metrics": {name: means(values) for name, values in whole.items()},
        "intervals": intervals(whole[IN_STORE]),
        "differences": {"of": IN_STORE, "to": paired_differences(whole[IN_STORE], others)},
    }
