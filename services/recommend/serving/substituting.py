"""Owns asking for what can stand in for products, one after the other, each stand-in once."""

import numpy as np

from services.recommend.domain.substitutes import Substitutes
from services.recommend.history import Bools, Ints, Matrix
from services.recommend.ranking.rankers import ordered
from services.recommend.serving.ranked import Ranked


def in_place_of(substitutes: Substitutes, vectors: Matrix, items: Ints, allowed: Bools, depth: int) -> Ranked:
    """Return what can stand in for the context's products: the best for the latest of them first."""
    best_first: dict[int, float] = {}
    for item in reversed(items.tolist()):
        found, scores = substitutes.of(item, vectors, allowed)
        for product, score in zip(found[:depth].tolist(), scores[:depth].tolist(), strict=True):
            best_first[product] = max(score, best_first.get(product, 0.0))
    products = np.array(list(best_first), np.int64)
    return ordered(products, np.array(list(best_first.values()), np.float64))


def chosen_instead(substitutes: Substitutes, vectors: Matrix, missing: Ints, open_: Bools) -> dict[int, int]:
    """Return the best open stand-in of each missing product, and what it stands in for; `open_` is used up."""
    instead: dict[int, int] = {}
    for product in missing.tolist():
        found, _ = substitutes.of(product, vectors, open_)
        if found.size:
            chosen = int(found[0])
            open_[chosen] = False
            instead[chosen] = product
    return instead
