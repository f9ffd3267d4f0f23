"""Owns the protocols that predict the next basket: `temporal`, `last-basket`, and `discover` over both."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import Values, figures
from regulars.evaluation.recommend.baselines import Scores, baselines_of
from regulars.evaluation.recommend.data import Evaluated, common_before
from regulars.evaluation.recommend.lists import LIST_LENGTH, OURS, STORE_KNOWN, Asked, Lists
from services.recommend.generators.item_vectors import item_vectors
from services.recommend.history import Floats, Ints, Matrix
from services.recommend.knowledge import Knowledge
from services.recommend.ranking.candidates import DISCOVER_CANDIDATES, NEW_CANDIDATES, candidates_of
from services.recommend.ranking.features import Prepared, prepared
from services.recommend.ranking.rankers import Rankers, ordered
from services.recommend.ranking.shoppers import Shopper
from services.recommend.ranking.spreading import POOL_MAX
from services.recommend.training.dataset import Dataset
from services.recommend.training.fitting import baskets_before, fit_rankers
from services.recommend.training.origins import (
    HORIZON_DAYS,
    ORIGINS,
    Origin,
    Target,
    by_day,
    knowledge_at,
    origin_at,
    origin_before_last,
    shoppers,
    training_cuts,
)

RANKED_DEPTH = POOL_MAX
_ALL_DATA = "products in >= 10 baskets of all data"
_HISTORY_ONLY = "products in >= 10 baskets before the cut"


def temporal_cut(dataset: Dataset) -> float:
    """Return the start of the last 28 whole UTC days of the data."""
    return float(math.floor(dataset.at.max())) - HORIZON_DAYS


def temporal(data: Evaluated, progress: Progress, *, new_only: bool) -> Lists:
    """Cut everybody four weeks before the end; the target is the first basket after it.

    The lists are made twice: with the protocol's filter over all data, and with the same filter over the history
    alone, where not even the choice of products looks past the cut.
    """
    cut = temporal_cut(data.dataset)
    past = (origin_at(data.dataset, before) for before in training_cuts(data.dataset, cut))
    rankers = _learned(data, past, progress)
    strict = common_before(data, cut)
    notes = [f"filter: {_ALL_DATA}; nothing else after the cut is used. filters: {_HISTORY_ONLY}"]
    lists = _ranked(data, rankers, origin_at(data.dataset, cut), progress, new_only=new_only)
    progress(f"again with {_HISTORY_ONLY}")
    history_only = _ranked(strict, rankers, origin_at(strict.dataset, cut), progress, new_only=new_only)
    return replace(lists, notes=notes, filters={_HISTORY_ONLY: history_only})


def last_basket(data: Evaluated, progress: Progress, *, new_only: bool) -> Lists:
    """Hide each customer's last basket."""
    past = (origin_before_last(data.dataset, back) for back in range(1, ORIGINS + 1))
    notes = [
        "as in the literature, neighbours see other customers' later baskets up to their own last",
        "ours knows what was popular when the target's day began, the baselines when that of the last target did",
    ]
    rankers = _learned(data, past, progress)
    lists = _ranked(data, rankers, origin_before_last(data.dataset), progress, new_only=new_only)
    return replace(lists, notes=notes)


def _learned(data: Evaluated, past: Iterator[Origin], progress: Progress) -> Rankers:
    progress("learning rankers from earlier baskets")
    return fit_rankers(data.dataset, data.assortment, _told(past, progress))


def _told(origins: Iterator[Origin], progress: Progress) -> Iterator[Origin]:
    for number, origin in enumerate(origins, start=1):
        progress(f"features of training origin {number} ({len(origin.targets)} baskets)")
        yield origin
    progress("fitting")


def _ranked(data: Evaluated, rankers: Rankers, test: Origin, progress: Progress, *, new_only: bool) -> Lists:
    if not test.targets:
        raise NobodyToAskError("no customer has a basket both before and after the cut")
    progress("fitting the baselines")
    knowledge = knowledge_at(data.dataset, data.assortment, test)
    stores = data.dataset.store[np.array([target.basket for target in test.targets], np.int64)]
    methods = _Methods(knowledge, rankers, new_only=new_only, has_stores=bool((stores >= 0).any()))
    progress(f"ranking for {len(test.targets):,} customers")
    rows: dict[str, list[Values]] = {}
    asked = []
    for known, target, shopper in _visitors(data.dataset, knowledge, test):
        wanted, owned = data.dataset.basket(target.basket), shopper.history.products
        ranked = methods.lists(known, shopper, target, int(data.dataset.store[target.basket]))
        for name, products in ranked.items():
            rows.setdefault(name, []).append(figures(products, wanted, owned))
        before = shopper.history.basket_count
        asked.append(Asked(target.customer, before, wanted, owned, ranked[OURS]))
    found = {name: np.array(values) for name, values in rows.items()}
    # Of what lay before the last weeks, in every protocol: how alike products are is not what is to be predicted.
    vectors = item_vectors(baskets_before(data.dataset, temporal_cut(data.dataset)), data.assortment)
    return Lists(found, asked, np.asarray(knowledge.popularity.chain[1], np.float64), [], vectors)


def _visitors(dataset: Dataset, knowledge: Knowledge, test: Origin) -> Iterator[tuple[Knowledge, Target, Shopper]]:
    for known, part in by_day(dataset, knowledge, test):
        for target, shopper in shoppers(dataset, known, part):
            yield known, target, shopper


class NobodyToAskError(ValueError):
    """The data hold nothing that the protocol could hide."""


@dataclass(frozen=True)
class _Methods:
    """Ours and the baselines, each giving products for one customer, best first."""

    knowledge: Knowledge
    rankers: Rankers
    new_only: bool
    has_stores: bool

    @cached_property
    def baselines(self) -> Mapping[str, Scores]:
        return baselines_of(self.knowledge)

    def lists(self, known: Knowledge, shopper: Shopper, target: Target, store: int) -> dict[str, Ints]:
        new_limit = DISCOVER_CANDIDATES if self.new_only else NEW_CANDIDATES
        visit = prepared(shopper, candidates_of(shopper, known.popularity, new_limit), known)
        ours = {name: self._ranked(visit, target.now, where) for name, where in self._ours(store)}
        others = {name: score(shopper, target.customer) for name, score in self.baselines.items()}
        return ours | {name: self._best(scores, shopper) for name, scores in others.items()}

    def _ours(self, store: int) -> tuple[tuple[str, int], ...]:
        return ((OURS, -1), (STORE_KNOWN, store)) if self.has_stores else ((OURS, -1),)

    def _ranked(self, visit: Prepared, now: float, store: int) -> Ints:
        products, _ = ordered(visit.candidates, self.rankers.scores(visit, now, store))
        if self.new_only:
            products = products[~np.isin(products, visit.history.products)]
        return products[:RANKED_DEPTH]

    def _best(self, scores: Floats | Matrix, shopper: Shopper) -> Ints:
        if self.new_only:
            scores = scores.copy()
            scores[shopper.history.products] = -np.inf
        return top(scores, LIST_LENGTH)


def top(scores: Floats | Matrix, limit: int) -> Ints:
    """Return the products of highest score, best first (ties: smaller index)."""
    limit = min(limit, scores.size)
    near = np.flatnonzero(scores >= np.partition(scores, scores.size - limit)[scores.size - limit])
    return near[np.argsort(-scores[near], kind="stable")][:limit]
