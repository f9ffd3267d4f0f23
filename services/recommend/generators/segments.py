"""Owns what members of a customer's segments buy lately, as far as a store sells it.

What a segment buys in one store is too little to count; what it buys in the chain, times how much more the store
sells of a product than the chain does, is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.recommend.generators.popular import Popularity
from services.recommend.history import Floats, Ints

_TINY = 1e-12


@dataclass(frozen=True)
class SegmentSales:
    """By segment: products (indices) and their shares of what members bought."""

    by_segment: Mapping[str, tuple[Ints, Floats]] = field(default_factory=dict)

    def scores(self, segments: Sequence[str], popularity: Popularity, store: int, product_count: int) -> Floats:
        """Return a score for every product: the sum over the segments; zero where members bought none.

        With a store (-1: unknown) each is weighed by the store's share of it against the chain's, half-way to 1.
        """
        out = np.zeros(product_count)
        for name in segments:
            products, shares = self.by_segment.get(name, _NOTHING)
            out[products] += shares
        if 0 <= store < popularity.store_weight.size:
            chain = np.zeros(product_count)
            chain[: popularity.product_count] = popularity.chain[2]
            here = popularity.in_store(store, product_count)
            out *= (here + chain + _TINY) / (2 * chain + _TINY)
        return out


def segment_sales_of(purchases: Mapping[str, Mapping[str, int]], index: Mapping[str, int]) -> SegmentSales:
    """Return the shares of the products that are in the assortment; a segment without any is left out."""
    found = {name: _shares(counts, index) for name, counts in purchases.items()}
    return SegmentSales({name: part for name, part in found.items() if part[0].size})


def _shares(counts: Mapping[str, int], index: Mapping[str, int]) -> tuple[Ints, Floats]:
    known = [(index[name], count) for name, count in counts.items() if name in index]
    values = np.array([count for _, count in known], np.float64)
    products = np.array([product for product, _ in known], np.int64)
    return products, values / max(float(values.sum()), _TINY)


_NOTHING: tuple[Ints, Floats] = (np.empty(0, np.int64), np.empty(0))
