"""Owns finding the products that a selector is about, as a mask over the assortment, without asking each product."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.domain.products import Product
from services.recommend.domain.rules import Selector
from services.recommend.history import Bools, Ints


class ProductNames:
    """The assortment by its names: categories of any level, types, brands, labels. Made once per assortment."""

    def __init__(self, assortment: Assortment) -> None:
        """Index every part."""
        self._assortment = assortment
        self._by_part = {part: self._by(names) for part, names in _NAMES.items()}

    def mask(self, selector: Selector) -> Bools:
        """Return what `selector.holds` says of each product."""
        out = np.ones(len(self._assortment), np.bool_)
        index = self._assortment.index
        if selector.product_ids:
            ids = [index[name] for name in selector.product_ids if name in index]
            out &= self._marked([np.array(ids, np.int64)])
        for part in _NAMES:
            names: frozenset[str] = getattr(selector, part)
            if names:
                found = self._by_part[part]
                out &= self._marked([found[name] for name in names if name in found])
        price = self._assortment.price_minor
        if selector.price_min_minor is not None:
            out &= price >= selector.price_min_minor
        if selector.price_max_minor is not None:
            out &= price <= selector.price_max_minor
        return out

    def _marked(self, indices: Iterable[Ints]) -> Bools:
        mask = np.zeros(len(self._assortment), np.bool_)
        for each in indices:
            mask[each] = True
        return mask

    def _by(self, names: Callable[[Product], Iterable[str | None]]) -> Mapping[str, Ints]:
        found: dict[str, list[int]] = defaultdict(list)
        for number, product in enumerate(self._assortment.products):
            for name in names(product):
                if name is not None:
                    found[name].append(number)
        return {name: np.array(numbers, np.int64) for name, numbers in found.items()}


_NAMES: Mapping[str, Callable[[Product], Iterable[str | None]]] = {
    "categories": lambda product: product.groups,
    "product_types": lambda product: (product.product_type,),
    "brands": lambda product: (product.brand, product.brand_name),
    "labels": lambda product: product.labels,
}
