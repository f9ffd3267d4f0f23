"""Owns TIFU-KNN: temporal item frequency blended with that of the nearest customers (Hu et al., SIGIR 2020)."""

import numpy as np

from services.recommend.generators.neighbours import Profiles, SparseVector, blended, dense, dot_products, nearest
from services.recommend.history import History, Matrix

GROUPS = 10
GROUP_DECAY = 0.8
NEIGHBOURS = 300
OWN_SHARE = np.float32(0.5)


def vector_of(history: History) -> SparseVector:
    """Return the mean over groups of the mean over baskets, groups decayed by age; no decay within a group."""
    baskets = max(history.basket_count, 1)
    group_size = -(-baskets // GROUPS)
    group_count = -(-baskets // group_size)
    group = np.minimum(history.ago // group_size, group_count - 1)
    in_group = np.full(group_count, group_size)
    in_group[-1] = baskets - group_size * (group_count - 1)
    weights = GROUP_DECAY**group / in_group[group] / group_count
    return SparseVector(history.products, np.add.reduceat(weights, history.starts[:-1]) if weights.size else weights)


def scores(profiles: Profiles, vector: SparseVector, own_row: int | None, product_count: int) -> Matrix:
    """Return OWN_SHARE x own vector + the rest x the mean vector of the nearest customers (Euclidean)."""
    closeness = 2 * dot_products(profiles, vector) - profiles.squared_norms
    rows = nearest(closeness, NEIGHBOURS, own_row)
    crowd = blended(profiles, rows, np.full(rows.size, 1 / max(rows.size, 1)), product_count)
    return OWN_SHARE * dense(vector, product_count) + (1 - OWN_SHARE) * crowd
