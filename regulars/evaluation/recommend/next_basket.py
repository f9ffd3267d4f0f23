"""Owns the protocols that predict the next basket: `temporal`, `last-basket`, and `discover` over both."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from regulars.evaluation.ranking_metrics import Values, figures
from regulars.evaluation.recommend.report import LIST_LENGTH, OURS, STORE_KNOWN, Lists, Progress
from regulars.evaluation.recommend_data import Evaluated
from services.recommend.generators import own_products
from services.recommend.history import Floats, History, Ints, Matrix
from services.recommend.knowledge import Knowledge
from services.recommend.ranking.candidates import DISCOVER_CANDIDATES, NEW_CANDIDATES, candidates_of
from services.recommend.ranking.features import Prepared, prepared
from services.recommend.ranking.rankers import Rankers, ordered
from services.recommend.ranking.shoppers import Shopper
from services.recommend.training.dataset import Dataset
from services.recommend.training.fitting import fit_rankers
from services.recommend.training.origins import (
    HORIZON_DAYS,
    ORIGINS,
    Origin,
    knowledge_at,
    origin_at,
    origin_before_last,
    shoppers,
    training_cuts,
)


def temporal_cut(dataset: Dataset) -> float:
    """Return the start of the last 28 whole UTC days of the data."""
    return float(math.floor(dataset.at.max())) - HORIZON_DAYS


def temporal(data: Evaluated, progress: Progress, *, new_only: bool) -> tuple[Lists, list[str]]:
    cut = temporal_cut(data.dataset)
    past = (origin_at(data.dataset, before) for before in training_cuts(data.dataset, cut))
    notes = ["only receipts before the cut are used, besides the filter on products in >= 10 baskets of all data"]
    return _next_basket(data, origin_at(data.dataset, cut), past, progress, new_only=new_only), notes


def last_basket(data: Evaluated, progress: Progress, *, new_only: bool) -> tuple[Lists, list[str]]:
    past = (origin_before_last(data.dataset, back) for back in range(1, ORIGINS + 1))
    notes = [
        "as in the literature, neighbours and popularity see other customers' later baskets up to their own last"
    ]
    return _next_basket(data, origin_before_last(data.dataset), past, progress, new_only=new_only), notes


def _next_basket(
    data: Evaluated, test: Origin, past: Iterator[Origin], progress: Progress, *, new_only: bool
) -> Lists:
    progress("learning rankers from earlier baskets")
    rankers = fit_rankers(data.dataset, data.assortment, _told(past, progress))
    progress("ranking for every customer")
    knowledge = knowledge_at(data.dataset, data.assortment, test)
    methods = _Methods(knowledge, rankers, new_only=new_only)
    rows: dict[str, list[Values]] = {}
    lists = []
    for target, shopper in shoppers(data.dataset, knowledge, test):
        ranked = methods.lists(shopper, target.now, int(data.dataset.store[target.basket]))
        wanted = data.dataset.basket(target.basket)
        for name, products in ranked.items():
            rows.setdefault(name, []).append(figures(products, wanted, shopper.history.products))
        lists.append(ranked[OURS])
    sizes = np.array([data.dataset.sizes_of(t.basket, t.basket + 1)[0] for t in test.targets])
    return Lists({name: np.array(values) for name, values in rows.items()}, lists, sizes, len(test.targets))


def _told(origins: Iterator[Origin], progress: Progress) -> Iterator[Origin]:
    for number, origin in enumerate(origins, start=1):
        progress(f"features of training origin {number} ({len(origin.targets)} baskets)")
        yield origin
    progress("fitting")


@dataclass(frozen=True)
class _Methods:
    """Ours and the baselines, each giving LIST_LENGTH products for one customer."""

    knowledge: Knowledge
    rankers: Rankers
    new_only: bool

    def lists(self, shopper: Shopper, now: float, store: int) -> dict[str, Ints]:
        new_limit = DISCOVER_CANDIDATES if self.new_only else NEW_CANDIDATES
        candidates = candidates_of(shopper, self.knowledge.popularity, new_limit)
        visit = prepared(shopper, candidates, self.knowledge)
        ours = {OURS: -1, STORE_KNOWN: store}
        ranked = {name: self._ranked(visit, now, where) for name, where in ours.items()}
        baselines: dict[str, Floats | Matrix] = {
            "popularity": self._month,
            "personal_top": over_popularity(shopper.history, self._month),
            "tifu_knn": shopper.tifu,
        }
        return ranked | {name: self._best(scores, shopper) for name, scores in baselines.items()}

    @property
    def _month(self) -> Floats:
        month: Floats = self.knowledge.popularity.chain[1]
        return month

    def _ranked(self, visit: Prepared, now: float, store: int) -> Ints:
        products, _ = ordered(visit.candidates, self.rankers.scores(visit, now, store))
        if self.new_only:
            products = products[~np.isin(products, visit.history.products)]
        return products[:LIST_LENGTH]

    def _best(self, scores: Floats | Matrix, shopper: Shopper) -> Ints:
        if self.new_only:
            scores = scores.copy()
            scores[shopper.history.products] = -1.0
        return np.argsort(-scores, kind="stable")[:LIST_LENGTH]


def over_popularity(history: History, popularity: Floats) -> Floats:
    """Return GP-Top: own frequency first, popularity for the rest."""
    scores = popularity / max(float(popularity.max()), 1e-12) * 1e-6
    scores[history.products] += own_products.personal_top(history)
    return scores
