"""Owns what stands beside us in the next-basket protocols: known methods, each with a score for every product."""

from collections.abc import Callable, Mapping

import numpy as np

from services.recommend.generators import own_products
from services.recommend.generators.ease import ease_of
from services.recommend.generators.ials import factors_of
from services.recommend.generators.item_cf import ItemCosine
from services.recommend.generators.neighbours import SparseVector
from services.recommend.history import Floats, History, Matrix
from services.recommend.knowledge import Knowledge
from services.recommend.ranking.shoppers import Shopper

Scores = Callable[[Shopper, int], Floats | Matrix]


def baselines_of(knowledge: Knowledge) -> Mapping[str, Scores]:
    """Fit every method on what was known at one moment; each is asked with a customer and their row."""
    month: Floats = knowledge.popularity.chain[1]
    size = len(knowledge.assortment)
    factors, ease, cosine = factors_of(knowledge.tifu), ease_of(knowledge.tifu), ItemCosine(knowledge.tifu)

    def row_of(row: int) -> SparseVector:
        part = slice(knowledge.tifu.indptr[row], knowledge.tifu.indptr[row + 1])
        weights = knowledge.tifu.weights[part].astype(np.float64)
        return SparseVector(knowledge.tifu.products[part].astype(np.int64), weights)

    def by_ease(_: Shopper, row: int) -> Floats:
        mine = row_of(row)
        return ease.scores(mine.products, mine.weights)

    return {
        "popularity": lambda _shopper, _row: month,
        "personal_top": lambda shopper, _: over_popularity(shopper.history, month),
        "tifu_knn": lambda shopper, _: shopper.tifu,
        "up_cf": lambda shopper, _: shopper.upcf,
        "user_cf": lambda shopper, _: shopper.crowd_value,
        "item_cf": lambda _, row: cosine.scores(row_of(row), size),
        "ease": by_ease,
        "ials": lambda _, row: factors.scores(row),
        "formula": lambda shopper, _: shopper.formula,
    }


def over_popularity(history: History, popularity: Floats) -> Floats:
    """Return GP-Top: own frequency first, popularity for the rest."""
    scores = popularity / max(float(popularity.max()), 1e-12) * 1e-6
    scores[history.products] += own_products.personal_top(history)
    return np.asarray(scores, np.float64)
