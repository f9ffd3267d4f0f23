"""Owns fitting offline: targets by origin without looking ahead, examples by the serving features, the model."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from services.recommend.assortment import Assortment
from services.recommend.generators.basket_items import EASE_PRODUCTS, baskets_matrix, companions_of
from services.recommend.generators.item_vectors import ItemIndex, item_vectors
from services.recommend.generators.sized import hit_value
from services.recommend.generators.switches import EVERYTHING, Switches
from services.recommend.history import Floats, Ints, Matrix
from services.recommend.knowledge import Knowledge, learn
from services.recommend.model import Model
from services.recommend.ranking.candidates import mixed_candidates
from services.recommend.ranking.features import FEATURE_NAMES, STORE_NAMES, Shopper, shopper_of
from services.recommend.ranking.in_basket import BasketRanker
from services.recommend.ranking.ranker import Examples, Ranker, fit
from services.recommend.ranking.rankers import Rankers, feature_rows
from services.recommend.training.dataset import Dataset
from services.recommend.training.rhythm import learned_rhythms

HORIZON_DAYS = 28.0
ORIGINS = 5
NEGATIVES_KEPT = 0.3
_LEAST_HISTORY_DAYS = 56.0


class TooLittleDataError(ValueError):
    """The receipts do not reach far enough back to train a ranker."""


@dataclass(frozen=True)
class Target:
    """A basket to be predicted, and the moment up to which its customer's history is known."""

    customer: int
    basket: int
    now: float


@dataclass(frozen=True)
class Origin:
    """A cut through all customers' histories: each is known before `ends[customer]`, everything before `as_of`."""

    as_of: float
    ends: Floats
    targets: tuple[Target, ...]


def origin_at(dataset: Dataset, cut: float, horizon_days: float = HORIZON_DAYS) -> Origin:
    """Cut everybody at one moment; the target is each customer's first basket within the horizon."""
    customers = range(len(dataset.customer_ids))
    found = (_first_basket(dataset, customer, cut, cut + horizon_days) for customer in customers)
    return Origin(cut, np.full(len(customers), cut), tuple(target for target in found if target))


def origin_before_last(dataset: Dataset, back: int = 0) -> Origin:
    """Cut each customer just before their last basket (back=0), or `back` baskets earlier."""
    ends = np.full(len(dataset.customer_ids), -np.inf)
    targets = []
    for customer in range(ends.size):
        first, end = dataset.basket_starts[customer : customer + 2]
        basket = int(end) - 1 - back
        if basket < first:
            continue
        ends[customer] = dataset.at[basket]
        if dataset.basket_count_before(customer, float(ends[customer])):
            targets.append(Target(customer, basket, float(ends[customer])))
    known = ends[np.isfinite(ends)]
    return Origin(float(known.max(initial=0.0)), ends, tuple(targets))


def training_cuts(dataset: Dataset, before: float, count: int = ORIGINS) -> list[float]:
    """Return the cuts whose targets all lie before `before`, latest first, each with eight weeks of history."""
    cuts = [before - HORIZON_DAYS * step for step in range(1, count + 1)]
    kept = [cut for cut in cuts if cut - float(dataset.at.min()) >= _LEAST_HISTORY_DAYS]
    if not kept:
        raise TooLittleDataError("a ranker needs 12 weeks of receipts: eight to look at, four to predict")
    return kept


def knowledge_at(dataset: Dataset, assortment: Assortment, origin: Origin) -> Knowledge:
    return learn(dataset, assortment, origin.as_of, origin.ends)


def shoppers(dataset: Dataset, knowledge: Knowledge, origin: Origin) -> Iterator[tuple[Target, Shopper]]:
    """Yield each target with its customer as known at that moment."""
    for target in origin.targets:
        history = dataset.history(target.customer, target.now)
        size = len(knowledge.assortment)
        yield target, shopper_of(history, knowledge, target.customer, target.now, size)


def fit_rankers(
    dataset: Dataset,
    assortment: Assortment,
    origins: Iterable[Origin],
    seed: int = 7,
    switches: Switches = EVERYTHING,
) -> Rankers:
    """Fit both rankers on several past targets per customer. Raises TooLittleDataError without any positive."""
    parts = [
        _examples(dataset, replace(knowledge_at(dataset, assortment, origin), switches=switches), origin, seed)
        for origin in origins
    ]
    whole = Examples(
        features=np.concatenate([part.features for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        names=(*FEATURE_NAMES, *STORE_NAMES),
    )
    parts.clear()
    if not whole.labels.any():
        raise TooLittleDataError("no candidate was ever bought: the receipts are too few or too far apart")
    base = len(FEATURE_NAMES)
    strict = Examples(whole.features[:, :base], whole.labels, whole.weights, whole.names[:base])
    has_stores = bool(np.isfinite(whole.features[:, base]).any())
    return Rankers(strict=fit(strict, seed=seed), in_store=fit(whole, seed=seed) if has_stores else None)


def train(dataset: Dataset, assortment: Assortment, as_of: float, *, ease_products: int = EASE_PRODUCTS) -> Model:
    """Fit everything that serving needs from the receipts before `as_of`."""
    cuts = training_cuts(dataset, as_of)
    rankers = fit_rankers(dataset, assortment, (origin_at(dataset, cut) for cut in cuts))
    knowledge = learn(dataset, assortment, as_of)
    return assembled(dataset, knowledge, rankers, ease_products=ease_products)


def assembled(
    dataset: Dataset,
    knowledge: Knowledge,
    rankers: Rankers,
    in_basket: Ranker | None = None,
    *,
    ease_products: int = EASE_PRODUCTS,
) -> Model:
    """Add the item-to-item tables, learned from baskets before the knowledge's own moment."""
    baskets = baskets_before(dataset, knowledge.as_of)
    return Model(
        knowledge=knowledge,
        rankers=rankers,
        companions=companions_of(baskets, ease_products),
        items=ItemIndex(item_vectors(baskets, knowledge.assortment)),
        rhythms=learned_rhythms(dataset, knowledge.assortment, knowledge.as_of),
        in_basket=BasketRanker(in_basket),
    )


def baskets_before(dataset: Dataset, before: float) -> sp.csr_matrix:
    """Return the baskets x products matrix of everything before a moment."""
    lines, baskets = dataset.lines_between(-np.inf, before)
    starts = np.append(np.flatnonzero(np.diff(baskets, prepend=-1)), lines.size)
    return baskets_matrix(starts, dataset.product[lines], len(dataset.product_ids))


def _first_basket(dataset: Dataset, customer: int, cut: float, until: float) -> Target | None:
    known = dataset.basket_count_before(customer, cut)
    basket = int(dataset.basket_starts[customer]) + known
    if not known or basket >= dataset.basket_starts[customer + 1] or dataset.at[basket] >= until:
        return None
    return Target(customer, basket, cut)


def _examples(dataset: Dataset, knowledge: Knowledge, origin: Origin, seed: int) -> Examples:
    """Return all positives and a sample of the negatives, re-weighted to stand for all of them."""
    features: list[Matrix] = [np.empty((0, len(FEATURE_NAMES) + len(STORE_NAMES)), np.float32)]
    labels: list[Matrix] = []
    weights: list[Floats] = []
    draw = np.random.default_rng((seed, int(origin.as_of)))
    for target, shopper in shoppers(dataset, knowledge, origin):
        candidates = mixed_candidates(shopper, knowledge.popularity)
        bought = np.isin(candidates, dataset.basket(target.basket))
        kept = bought | (draw.random(candidates.size) < NEGATIVES_KEPT)
        rows = _with_store(shopper, candidates, knowledge, int(dataset.store[target.basket]))
        value = hit_value(dataset.sizes_of(target.basket, target.basket + 1))[0]
        features.append(rows[kept])
        labels.append(bought[kept].astype(np.float32))
        weights.append(value * np.where(bought[kept], 1.0, 1 / NEGATIVES_KEPT))
    return Examples(
        np.concatenate(features),
        np.concatenate([np.empty(0, np.float32), *labels]),
        np.concatenate([np.empty(0), *weights]),
    )


def _with_store(shopper: Shopper, candidates: Ints, knowledge: Knowledge, store: int) -> Matrix:
    """Return rows with the store's columns, which are missing values where the basket's store is not known."""
    rows = feature_rows(shopper, candidates, knowledge, store)
    if store >= 0:
        return rows
    unknown = np.full((candidates.size, len(STORE_NAMES)), np.nan, np.float32)
    return np.concatenate((rows, unknown), axis=1)
