"""Owns spreading a list over product types: maximal marginal relevance with a cap per type.

Carbonell and Goldstein, The use of MMR, diversity-based reranking, SIGIR 1998.
"""

from collections import Counter

import numpy as np

from services.recommend.domain.diversity import SPREAD, Diversity, Spread
from services.recommend.history import Floats, Ints, Matrix

DEPTH = 3
"""How many times the limit is asked for, so that there is something else to show."""
POOL_MAX = 100
SAME_TYPE = 1.0
_VECTOR_SHARE = 0.25
"""How alike two products of different types can be: the cosine of their vectors, at a quarter of its weight."""
_LATE = 10.0
"""More than relevance can make up for: what exceeds its type's cap comes when nothing else is left."""


def diversified(candidates: Ints, types: Ints, vectors: Matrix, level: Diversity, limit: int) -> Ints:
    """Return the candidates in another order: the first `limit` chosen one by one, the others as they were.

    `candidates` are best first; `types` (-1: of no other's type) and `vectors` (unit rows) are theirs. Each choice
    takes the highest (1 - weight) x relevance - weight x likeness to the nearest one chosen. What exceeds its type's
    cap comes after all others.
    """
    if level is Diversity.OFF or candidates.size < 2:
        return candidates
    how, size = SPREAD[level], min(candidates.size, POOL_MAX)
    kinds = np.where(types[:size] >= 0, types[:size], -1 - np.arange(size))
    chosen = _chosen(relevance_of_places(size), kinds, vectors[:size], how, min(limit, size))
    rest = np.setdiff1d(np.arange(candidates.size), chosen, assume_unique=True)
    return candidates[np.concatenate((chosen, rest))]


def relevance_of_places(count: int) -> Floats:
    """Return what places are worth, the first 1: they are all that the parts of a list have in common.

    Scores of a list's parts are of different kinds, and what a rule has moved is worth what stood there before. Where
    one ranker scored the whole list, the chances that it gives find no more than this does.
    """
    return np.asarray(1 / np.log2(np.arange(count) + 2))


def _chosen(relevance: Floats, kinds: Ints, vectors: Matrix, how: Spread, limit: int) -> Ints:
    same = kinds[:, None] == kinds[None, :]
    alike = np.where(same, SAME_TYPE, _VECTOR_SHARE * (vectors @ vectors.T))
    cost = how.weight * np.maximum(alike, 0.0)
    value = (1 - how.weight) * relevance
    nearest = np.zeros(relevance.size)
    seen: Counter[int] = Counter()
    out = np.empty(limit, np.int64)
    for place in range(limit):
        best = int((value - nearest).argmax())
        out[place] = best
        value[best] = -np.inf
        np.maximum(nearest, cost[best], out=nearest)
        kind = int(kinds[best])
        seen[kind] += 1
        if seen[kind] == how.cap:
            value[same[best]] -= _LATE
    return out
