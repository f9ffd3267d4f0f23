"""Owns product attributes as columns: indices, levels (type, category, brand, department), price."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.recommend.domain.products import Product
from services.recommend.history import Floats, Ints

LEVELS = ("product_type", "category", "typed_brand", "brand", "department")


@dataclass(frozen=True)
class Assortment:
    """Products in a fixed order; `levels[n]` holds codes (-1 unknown); prices are minor units (NaN unknown)."""

    products: tuple[Product, ...]
    levels: Ints
    price_minor: Floats

    @cached_property
    def index(self) -> Mapping[str, int]:
        return {product.product_id: n for n, product in enumerate(self.products)}

    @property
    def ids(self) -> list[str]:
        return [product.product_id for product in self.products]

    @cached_property
    def keys(self) -> Ints:
        """Return keys of the product itself (first row) and of its levels; no two rows share one, -1 is unknown."""
        rows = np.vstack((np.arange(len(self), dtype=np.int64), self.levels))
        sizes = rows.max(axis=1, initial=-1) + 1
        return np.where(rows >= 0, rows + (np.cumsum(sizes) - sizes)[:, None], -1)

    def level(self, name: str) -> Ints:
        codes: Ints = self.levels[LEVELS.index(name)]
        return codes

    def __len__(self) -> int:
        return len(self.products)


def assortment_of(product_ids: Sequence[str], known: Mapping[str, Product]) -> Assortment:
    """Lay out products in this order; one that the catalogue does not describe has its id only."""
    products = tuple(known.get(name) or Product(name) for name in product_ids)
    levels = [_codes(getattr(product, level) for product in products) for level in LEVELS]
    prices = [np.nan if product.price_minor is None else float(product.price_minor) for product in products]
    return Assortment(products, np.array(levels, np.int64).reshape(len(LEVELS), -1), np.array(prices))


def type_names(assortment: Assortment) -> list[str]:
    """Return the product types there are, by name."""
    return sorted({product.product_type for product in assortment.products if product.product_type is not None})


def type_keys(assortment: Assortment, names: Sequence[str]) -> Ints:
    """Return the place of each product's type among these names, -1 for a type that is unknown or newer than them."""
    index: dict[str | None, int] = {name: place for place, name in enumerate(names)}
    return np.array([index.get(product.product_type, -1) for product in assortment.products], np.int64)


def _codes(values: Iterable[str | None]) -> list[int]:
    codes: dict[str, int] = {}
    return [-1 if value is None else codes.setdefault(value, len(codes)) for value in values]
