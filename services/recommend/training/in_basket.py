"""Owns fitting the ranker of open baskets: a product is hidden in past ones, to be found by what was known before."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.generators.basket_items import EASE_PRODUCTS, Companions, companions_of
from services.recommend.generators.switches import EVERYTHING, Switches
from services.recommend.history import Bools, Floats, Ints, Matrix
from services.recommend.knowledge import Knowledge, learn
from services.recommend.ranking.in_basket import (
    BASKET_FEATURE_NAMES,
    OpenBasket,
    basket_candidates,
    basket_features,
    open_basket,
)
from services.recommend.ranking.ranker import Examples, Ranker, fit
from services.recommend.training.dataset import Dataset
from services.recommend.training.fitting import HORIZON_DAYS, Target, baskets_before
from services.recommend.training.holdout import metric_of
from shared.registry import Metric

LEAST_PRODUCTS = 3
TRAINING_BASKETS = 6000
NEGATIVES_KEPT = 0.3
JUDGED_SHARE = 0.15
"""Share of the baskets that the ranker is not shown: it is kept only if it finds more there than the formula."""
STORE_UNKNOWN_SHARE = 0.5
PARAMETERS: dict[str, Any] = {
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
}
ROUNDS = 150
SEED = 7


@dataclass(frozen=True, slots=True)
class Hidden:
    """A past basket, the product taken out of it, and what was left."""

    target: Target
    product: int
    shown: Ints


@dataclass(frozen=True, slots=True)
class Judged:
    """What the fitted ranker and the untrained formula found of products they had not seen: hit@10 of each."""

    ranker: Ranker
    hits: Bools
    formula_hits: Bools

    @property
    def kept(self) -> Ranker | None:
        """Return the ranker if it found no less than the formula, which is to rank otherwise."""
        return self.ranker if self.hits.sum() >= self.formula_hits.sum() else None

    def metrics(self) -> dict[str, Metric]:
        return {"basket.hit@10": metric_of(self.hits), "basket.hit@10_formula": metric_of(self.formula_hits)}


def hidden_products(dataset: Dataset, since: float, allowed: Bools, count: int, seed: int = SEED) -> list[Hidden]:
    """Draw up to `count` baskets of three allowed products or more of the four weeks from `since`, and hide one."""
    draw = np.random.default_rng(seed)
    within = np.flatnonzero((dataset.at >= since) & (dataset.at < since + HORIZON_DAYS))
    known = {int(basket): _allowed(dataset.basket(int(basket)), allowed) for basket in within}
    usable = np.array([basket for basket, products in known.items() if products.size >= LEAST_PRODUCTS], np.int64)
    owner = dataset.owner
    out = []
    for basket in np.sort(draw.permutation(usable)[:count]).tolist():
        place = int(draw.integers(known[basket].size))
        target = Target(int(owner[basket]), basket, float(dataset.at[basket]))
        out.append(Hidden(target, int(known[basket][place]), np.delete(known[basket], place)))
    return out


def open_baskets(
    dataset: Dataset, hidden: list[Hidden], knowledge: Knowledge, companions: Companions, stores: Ints
) -> Iterator[tuple[Hidden, OpenBasket]]:
    """Yield each basket as it was known when it was open; `stores` says which store each is told to be in."""
    for each, store in zip(hidden, stores.tolist(), strict=True):
        target = each.target
        history = dataset.history(target.customer, target.now)
        yield each, open_basket(history, each.shown, knowledge, companions, target.customer, target.now, store)


def fit_in_basket(
    dataset: Dataset,
    assortment: Assortment,
    as_of: float,
    *,
    ease_products: int = EASE_PRODUCTS,
    switches: Switches = EVERYTHING,
) -> Judged | None:
    """Fit on the four weeks before `as_of` with what was known before them; None where that is too little."""
    cut = as_of - HORIZON_DAYS
    everything = np.ones(len(dataset.product_ids), np.bool_)
    hidden = hidden_products(dataset, cut, everything, TRAINING_BASKETS)
    if not hidden or not (dataset.at < cut).any():
        return None
    knowledge = replace(learn(dataset, assortment, cut), switches=switches)
    companions = companions_of(baskets_before(dataset, cut), ease_products)
    draw = np.random.default_rng(SEED)
    learned = draw.random(len(hidden)) >= JUDGED_SHARE
    stores = np.where(draw.random(len(hidden)) < STORE_UNKNOWN_SHARE, -1, _stores(dataset, hidden))
    world = (dataset, knowledge, companions)
    shown = [each for each, use in zip(hidden, learned, strict=True) if use]
    examples = _examples(*world, shown, stores[learned], draw)
    if not examples.labels.any():
        return None
    ranker = fit(examples, ROUNDS, **PARAMETERS)
    rest = [each for each, use in zip(hidden, learned, strict=True) if not use]
    return _judged(ranker, *world, rest, stores[~learned])


def _allowed(products: Ints, allowed: Bools) -> Ints:
    return products[allowed[products]]


def _stores(dataset: Dataset, hidden: list[Hidden]) -> Ints:
    return dataset.store[np.array([each.target.basket for each in hidden], np.int64)]


def _examples(  # noqa: PLR0913, PLR0917 - what is known, and what is to be found
    dataset: Dataset,
    knowledge: Knowledge,
    companions: Companions,
    hidden: list[Hidden],
    stores: Ints,
    draw: np.random.Generator,
) -> Examples:
    features: list[Matrix] = [np.empty((0, len(BASKET_FEATURE_NAMES)), np.float32)]
    labels: list[Matrix] = [np.empty(0, np.float32)]
    weights: list[Floats] = [np.empty(0)]
    for each, basket in open_baskets(dataset, hidden, knowledge, companions, stores):
        candidates = basket_candidates(basket, knowledge)
        found = candidates == each.product
        if not found.any():
            continue
        kept = found | (draw.random(candidates.size) < NEGATIVES_KEPT)
        features.append(basket_features(basket, candidates, knowledge)[kept])
        labels.append(found[kept].astype(np.float32))
        weights.append(np.where(found[kept], 1.0, 1 / NEGATIVES_KEPT))
    return Examples(np.concatenate(features), np.concatenate(labels), np.concatenate(weights), BASKET_FEATURE_NAMES)


def _judged(  # noqa: PLR0913, PLR0917 - what is known, and what is to be found
    ranker: Ranker,
    dataset: Dataset,
    knowledge: Knowledge,
    companions: Companions,
    hidden: list[Hidden],
    stores: Ints,
) -> Judged:
    hits: list[bool] = []
    formula: list[bool] = []
    for each, basket in open_baskets(dataset, hidden, knowledge, companions, stores):
        candidates = basket_candidates(basket, knowledge)
        scores = ranker.score(basket_features(basket, candidates, knowledge))
        hits.append(each.product in _ten(candidates, scores))
        formula.append(each.product in _ten(candidates, basket.formula[candidates]))
    return Judged(ranker, np.array(hits, np.bool_), np.array(formula, np.bool_))


def _ten(candidates: Ints, scores: Floats) -> Ints:
    return candidates[np.argsort(-scores, kind="stable")[:10]]
