"""Owns the assortment as requests ask about it: worked out once, and kept for as long as no product changes.

Neither stock nor sales nor the model have a part in it, so that a shelf on which something was sold takes it over.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.domain.substitutes import Substitutes, substitutes_of
from services.recommend.history import Bools, Ints
from services.recommend.serving.selecting import ProductNames

NEWEST_MAX = 500


class Goods:
    """Columns and indices over the products of one assortment."""

    def __init__(self, assortment: Assortment) -> None:
        """Work nothing out before it is asked for (`ahead.work_out` asks for all)."""
        self.assortment = assortment

    @cached_property
    def names(self) -> ProductNames:
        return ProductNames(self.assortment)

    @cached_property
    def sellable(self) -> Bools:
        return np.array([product.is_sellable for product in self.assortment.products], np.bool_)

    @cached_property
    def min_age(self) -> Ints:
        """Years, 0 for everybody."""
        return np.array([product.min_age or 0 for product in self.assortment.products], np.int64)

    @cached_property
    def newest(self) -> Sequence[tuple[int, datetime]]:
        """Return the products that were new last, and since when."""
        since = [
            (number, product.new_since)
            for number, product in enumerate(self.assortment.products)
            if product.new_since is not None
        ]
        return sorted(since, key=lambda each: each[1], reverse=True)[:NEWEST_MAX]

    @cached_property
    def substitutes(self) -> Substitutes:
        """Sizes and price tiers of the products."""
        return substitutes_of(self.assortment.products, self.assortment.level("product_type"))
