"""Owns what rankers learn from: rows of candidates as of past moments, and what was bought of them afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.recommend.generators.sized import hit_value
from services.recommend.history import Bools, Ints, Matrix
from services.recommend.knowledge import Knowledge
from services.recommend.ranking.candidates import candidates_of
from services.recommend.ranking.features import FEATURE_NAMES, STORE_NAMES, Prepared, features_at, prepared
from services.recommend.training.dataset import Dataset
from services.recommend.training.origins import Origin, Target, by_day, shoppers

SURELY_KEPT = 25
NEGATIVES_KEPT = 0.3
LATER_SHARES = (1.0, 0.5, 0.3)
"""What the target basket and those after it count: each says nearly the same of a customer, one is a small sample."""


@dataclass(frozen=True)
class Rows:
    """Rows of all customers, list after list (`sizes` rows each), some of those not bought left out.

    `bought` says whether the target basket held the product, `values` the target's 1/IDCG, `gains` the same summed
    over the baskets that bought it; `kept` is the probability with which a row was kept.
    """

    features: Matrix
    bought: Bools
    values: Matrix
    gains: Matrix
    kept: Matrix
    sizes: Ints


def examples_at(dataset: Dataset, knowledge: Knowledge, origin: Origin, seed: int) -> Rows:
    """Return rows of FEATURE_NAMES and STORE_NAMES (not a number where the basket's store is unknown)."""
    draw = np.random.default_rng((seed, int(origin.as_of)))
    lists = []
    for known, part in by_day(dataset, knowledge, origin):
        for target, shopper in shoppers(dataset, known, part):
            visit = prepared(shopper, candidates_of(shopper, known.popularity), known)
            lists.append(_list(dataset, visit, target, draw))
    return joined([_NONE, *lists])


def joined(parts: Sequence[Rows]) -> Rows:
    """Join in order."""
    return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in Rows.__dataclass_fields__))


def stacked(parts: list[Rows]) -> Rows:
    """Join in order, and empty `parts` meanwhile: the features, nearly all of it, are never in memory twice."""
    columns = joined([replace(part, features=_NONE.features) for part in parts])
    features = np.empty((columns.bought.size, _NONE.features.shape[1]), np.float32)
    end = features.shape[0]
    while parts:
        part = parts.pop().features
        features[end - part.shape[0] : end] = part
        end -= part.shape[0]
    return replace(columns, features=features)


def _list(dataset: Dataset, visit: Prepared, target: Target, draw: np.random.Generator) -> Rows:
    baskets = (target.basket, *target.later)
    held = np.stack([np.isin(visit.candidates, dataset.basket(basket)) for basket in baskets])
    worth = hit_value(np.array([dataset.basket(basket).size for basket in baskets]))
    gains = (np.array(LATER_SHARES[: len(baskets)]) * worth) @ held
    # Candidates come with the likeliest first: those that compete for the list are all kept.
    chance = np.where(held.any(axis=0) | (np.arange(gains.size) < SURELY_KEPT), 1.0, NEGATIVES_KEPT)
    rows = np.flatnonzero(draw.random(gains.size) < chance)
    return Rows(
        features=_with_store(visit, target.now, int(dataset.store[target.basket]))[rows],
        bought=held[0][rows],
        values=np.full(rows.size, worth[0], np.float32),
        gains=gains[rows].astype(np.float32),
        kept=chance[rows].astype(np.float32),
        sizes=np.array([rows.size]),
    )


def _with_store(visit: Prepared, now: float, store: int) -> Matrix:
    rows = features_at(visit, now, store)
    if store >= 0:
        return rows
    return np.pad(rows, ((0, 0), (0, len(STORE_NAMES))), constant_values=np.nan)


_NONE = Rows(
    features=np.empty((0, len(FEATURE_NAMES) + len(STORE_NAMES)), np.float32),
    bought=np.empty(0, np.bool_),
    values=np.empty(0, np.float32),
    gains=np.empty(0, np.float32),
    kept=np.empty(0, np.float32),
    sizes=np.empty(0, np.int64),
)
