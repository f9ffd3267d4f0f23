"""Owns what stands in for a product that is out of stock: the same type, near in size, in the tier and in kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.recommend.domain.products import Product
from services.recommend.domain.sizes import size_of
from services.recommend.history import Bools, Floats, Ints, Matrix

SIZE_SHARE = 0.35
TIER_SHARE = 0.25
LIKENESS_SHARE = 0.4
UNKNOWN = 0.5
"""What a size or a tier that one of the two does not have counts: neither near nor far."""
TIERS = 3


@dataclass(frozen=True)
class Substitutes:
    """What substitutes are judged by, in the order of the assortment.

    `types` are codes (-1: unknown, such a product has no substitute); `size` is ln of the amount (NaN unknown) in the
    unit `dimension` (-1 unknown); `price_minor` is NaN where unknown. All from `substitutes_of`.
    """

    types: Ints
    size: Floats
    dimension: Ints
    price_minor: Floats

    @cached_property
    def tiers(self) -> Ints:
        """The tercile of the price per unit within type and dimension: 0 the cheapest; -1 unknown."""
        unit_price = np.log(np.maximum(self.price_minor, 1e-9)) - self.size
        out = np.full(self.types.size, -1, np.int64)
        known = np.flatnonzero(~np.isnan(unit_price) & (self.types >= 0))
        groups = self.types[known] * (self.dimension.max(initial=0) + 2) + self.dimension[known]
        order = known[np.lexsort((unit_price[known], groups))]
        groups = np.sort(groups)
        starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]]) if groups.size else np.empty(0, np.int64)
        lengths = np.diff(np.r_[starts, groups.size])
        place = np.arange(groups.size) - np.repeat(starts, lengths)
        out[order] = place * TIERS // np.maximum(np.repeat(lengths, lengths), 1)
        return out

    def of(self, product: int, vectors: Matrix, allowed: Bools) -> tuple[Ints, Floats]:
        """Return allowed products of the same type and their likeness (0 to 1), the best first."""
        if self.types[product] < 0:
            return np.empty(0, np.int64), np.empty(0)
        found = np.flatnonzero((self.types == self.types[product]) & allowed)
        found = found[found != product]
        score = (
            SIZE_SHARE * self._near_in_size(product, found)
            + TIER_SHARE * self._same_tier(product, found)
            + LIKENESS_SHARE * np.clip(vectors[found] @ vectors[product], 0, 1)
        )
        order = np.argsort(-score, kind="stable")
        return found[order], score[order]

    def _near_in_size(self, product: int, found: Ints) -> Floats:
        """Return 1 for the same size, half of it for twice or half as much; another dimension is far."""
        apart = np.abs(self.size[found] - self.size[product])
        near = np.exp2(-apart / np.log(2))
        other = self.dimension[found] != self.dimension[product]
        near = np.where(other, 0.0, near)
        return np.where(np.isnan(self.size[found] + self.size[product]), UNKNOWN, near)

    def _same_tier(self, product: int, found: Ints) -> Floats:
        apart = np.abs(self.tiers[found] - self.tiers[product])
        unknown = (self.tiers[found] < 0) | (self.tiers[product] < 0)
        return np.where(unknown, UNKNOWN, 1 - apart / (TIERS - 1))


def substitutes_of(products: Sequence[Product], types: Ints) -> Substitutes:
    """Read sizes and prices; `types` are the codes of the products' types."""
    sizes = [size_of(product.size) for product in products]
    dimensions: dict[str, int] = {}
    return Substitutes(
        types=types,
        size=np.array([np.log(each.amount) if each else np.nan for each in sizes], np.float64),
        dimension=np.array(
            [dimensions.setdefault(each.dimension, len(dimensions)) if each else -1 for each in sizes], np.int64
        ),
        price_minor=np.array(
            [np.nan if product.price_minor is None else float(product.price_minor) for product in products]
        ),
    )
