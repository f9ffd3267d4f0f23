"""Owns which products may be shown for a request: the hard limits, as one mask over the assortment."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.domain.requests import Placement, Request
from services.recommend.domain.rules import Selector
from services.recommend.history import Bools, Ints
from services.recommend.serving.goods import Goods

_BY_ITEMS = {Placement.SIMILAR, Placement.BOUGHT_TOGETHER, Placement.BASKET, Placement.SUBSTITUTES}


@dataclass(frozen=True)
class Shelf:
    """What can be sold where: the products, and per store the ids that are out of stock there."""

    goods: Goods
    out_of_stock: Mapping[str, AbstractSet[str]]

    @property
    def assortment(self) -> Assortment:
        return self.goods.assortment

    @cached_property
    def _missing(self) -> dict[str, Ints]:
        return {store: self.indices(ids) for store, ids in self.out_of_stock.items()}

    def indices(self, product_ids: AbstractSet[str] | tuple[str, ...]) -> Ints:
        """Return the indices of those ids that are known."""
        index = self.assortment.index
        return np.array([index[name] for name in product_ids if name in index], np.int64)

    def missing(self, request: Request) -> Ints:
        """Return what the request's store is out of, where that matters."""
        store_id = request.context.store_id
        return self._missing.get(store_id or "", _NOTHING) if request.filters.in_stock else _NOTHING

    def wanted(self, request: Request) -> Bools:
        """Return what might be shown if the store had it."""
        filters = request.filters
        mask = self.goods.sellable & (self.goods.min_age <= (request.customer_age or 0))
        mask[self.indices(filters.exclude_ids)] = False
        if request.placement in _BY_ITEMS:
            mask[self.indices(request.context.items)] = False
        if filters.categories:
            mask &= self.goods.names.mask(Selector(categories=filters.categories))
        mask &= self._in_price_range(filters.price_min_minor, filters.price_max_minor)
        return mask

    def why_not(self, product_id: str, request: Request) -> str:
        """Return the code of the first limit that keeps a product out; what remains is that it was bought."""
        index, filters = self.assortment.index.get(product_id), request.filters
        if index is None:
            return "unknown_product"
        product = self.assortment.products[index]
        only = np.array([index])
        price = self._in_price_range(filters.price_min_minor, filters.price_max_minor)
        reasons = (
            (not product.is_sellable, "not_sold"),
            ((product.min_age or 0) > (request.customer_age or 0), "age_restricted"),
            (bool(np.isin(only, self.missing(request))[0]), "out_of_stock"),
            (product_id in filters.exclude_ids, "excluded"),
            (request.placement in _BY_ITEMS and product_id in request.context.items, "is_context_item"),
            (not Selector(categories=filters.categories).holds(product), "other_category"),
            (not price[index], "price_out_of_range"),
        )
        return next((code for holds, code in reasons if holds), "bought_before")

    def _in_price_range(self, low: int | None, high: int | None) -> Bools:
        """Return who lies in the range; a product whose price is unknown is in none."""
        price = self.assortment.price_minor
        mask = np.ones(price.size, np.bool_)
        if low is not None:
            mask &= price >= low
        if high is not None:
            mask &= price <= high
        return mask


_NOTHING = np.empty(0, np.int64)
