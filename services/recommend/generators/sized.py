"""Owns the untrained formula: own purchases, decayed and weighted by basket size, plus those of cosine neighbours.

A purchase in a basket of n products is worth 1/IDCG(n), because a hit in a small basket is worth that much more to
recall and NDCG; without it the customer's few large baskets would speak for all of them.
"""

import numpy as np

from services.recommend.generators.neighbours import Profiles, SparseVector, blended, dense, dot_products, nearest
from services.recommend.history import Floats, History, Ints, Matrix

HALF_LIFE_DAYS = 90.0
NEIGHBOURS = 150
CROWD_SHARE = np.float32(0.5)
_LARGEST_BASKET = 1000
_IDCG = np.concatenate(([1.0], np.cumsum(1 / np.log2(np.arange(2, _LARGEST_BASKET + 2)))))


def hit_value(basket_size: Ints) -> Floats:
    """Return 1/IDCG of baskets of these sizes, the ideal taken over the whole basket."""
    return 1 / _IDCG[np.minimum(basket_size, _LARGEST_BASKET)]


def vector_of(history: History) -> SparseVector:
    """Return the decayed value of each product divided by the decayed number of baskets.

    Both decay alike, so that the quotient is the same at every moment until the next purchase.
    """
    if not history.at.size:
        return SparseVector(history.products, np.zeros(0))
    latest = history.basket_at[-1]
    worth = hit_value(history.size) * _fade(latest - history.at)
    baskets = float(_fade(latest - history.basket_at).sum())
    return SparseVector(history.products, np.add.reduceat(worth, history.starts[:-1]) / baskets)


def crowd_scores(profiles: Profiles, vector: SparseVector, own_row: int | None, product_count: int) -> Matrix:
    """Return the cosine-weighted mean of the nearest customers' vectors."""
    lengths = np.sqrt(np.maximum(profiles.squared_norms, 1e-24)) * max(vector.norm, 1e-12)
    cosine = dot_products(profiles, vector) / lengths
    rows = nearest(cosine, NEIGHBOURS, own_row)
    shares = cosine[rows] / max(float(cosine[rows].sum()), 1e-12)
    return blended(profiles, rows, shares, product_count)


def scores(profiles: Profiles, vector: SparseVector, own_row: int | None, product_count: int) -> Matrix:
    """Return the formula: own value + CROWD_SHARE x the neighbours'."""
    return dense(vector, product_count) + CROWD_SHARE * crowd_scores(profiles, vector, own_row, product_count)


def _fade(age_days: Floats) -> Floats:
    return np.asarray(0.5 ** (age_days / HALF_LIFE_DAYS), np.float64)
