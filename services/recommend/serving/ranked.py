"""Owns the shape that every generator answers in: products and their scores, best first."""

import numpy as np

from services.recommend.generators.popular import Popularity
from services.recommend.generators.segments import SegmentSales
from services.recommend.history import Floats, Ints
from services.recommend.ranking.rankers import ordered

Ranked = tuple[Ints, Floats]
"""Products and their scores, best first."""

NOTHING: Ranked = (np.empty(0, np.int64), np.empty(0))


def positive(scores: Floats) -> Ranked:
    """Return every product with a score above zero."""
    found = np.flatnonzero(scores > 0)
    return ordered(found, scores[found])


def store_popular(popularity: Popularity, size: int, store: int) -> Ranked:
    """Return what a store sells, the most bought first."""
    return positive(popularity.sold_in_store(store, size))


def segment_popular(
    sales: SegmentSales, popularity: Popularity, size: int, segments: tuple[str, ...], store: int
) -> Ranked:
    """Return what members of these segments bought lately, as far as the store sells it, the most bought first."""
    return positive(sales.scores(segments, popularity, store, size))


def sized(values: Floats, size: int) -> Floats:
    """Return the values with zeros for the products that came later."""
    return np.pad(values, (0, size - values.size)) if values.size < size else values
