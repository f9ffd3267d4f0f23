"""Owns item vectors: similar products, also for those that nobody has bought yet.

A vector joins what baskets say (truncated SVD of the weighted baskets x products matrix) with what the catalogue
says (hashed type, category, brand, department), so that a new product has neighbours by content.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from services.recommend.assortment import Assortment
from services.recommend.domain.products import Product
from services.recommend.generators.vector_index import VectorIndex
from services.recommend.history import Bools, Floats, Ints, Matrix

BASKET_DIMENSIONS = 64
CONTENT_DIMENSIONS = 64
CONTENT_WEIGHT = 1.5
"""What the catalogue says comes first, and baskets order what it says alike: most products are in few of them."""
LIKED_WEIGHT = 0.3
"""Of two products that are alike, people take the one that is bought more."""
NARROW_SHARE = 0.05
"""Of all products: where fewer are allowed, these alone are compared."""
_CONTENT_FIELDS = (
    ("product_type", 1.0),
    ("typed_brand", 0.5),
    ("category", 0.6),
    ("brand", 0.2),
    ("department", 0.3),
)


class ItemIndex:
    """Which products are alike, by the vectors of all."""

    def __init__(self, index: VectorIndex) -> None:
        """Take rows of unit length (or zero: such a product is similar to nothing)."""
        self.index = index

    @classmethod
    def of(cls, vectors: Matrix) -> "ItemIndex":
        """Compare every vector."""
        return cls(VectorIndex(vectors))

    def grown(self, extra: Matrix) -> "ItemIndex":
        """Return the index with more products behind the others."""
        return ItemIndex(self.index.grown(extra))

    @property
    def vectors(self) -> Matrix:
        return self.index.vectors

    def similar(self, items: Ints, limit: int, allowed: Bools | None = None) -> tuple[Ints, Floats]:
        """Return (products, similarity) nearest to the items' mean, most similar first, without the items.

        Where few products are allowed these alone are compared, so that a narrow filter does not empty the list;
        else what is not allowed is for the caller to leave out.
        """
        items = items[items < self.vectors.shape[0]]
        centre = self.vectors[items].sum(axis=0, keepdims=True)
        length = float(np.linalg.norm(centre))
        if not length:
            return np.empty(0, np.int64), np.empty(0)
        found, scores = self._nearest(centre / length, limit + items.size, allowed)
        keep = ~np.isin(found, items) & (scores > 0)
        return found[keep][:limit], scores[keep][:limit]

    def _nearest(self, centre: Matrix, limit: int, allowed: Bools | None) -> tuple[Ints, Floats]:
        if allowed is not None:
            few = np.flatnonzero(allowed[: self.vectors.shape[0]])
            if few.size <= max(NARROW_SHARE * self.vectors.shape[0], limit):
                return self.index.nearest_of(centre, few, limit)
        return self.index.nearest(centre, limit)


def preferred(products: Ints, similarity: Floats, liked: Floats) -> tuple[Ints, Floats]:
    """Return similar products, what is bought more before what is as similar; `liked` (0..1) is of all products."""
    scores = similarity + LIKED_WEIGHT * liked[products]
    order = np.argsort(-scores, kind="stable")
    return products[order], scores[order]


def item_vectors(baskets: sp.csr_matrix | None, assortment: Assortment, seed: int = 7) -> Matrix:
    """Return one unit vector per product: the basket part, then the content part."""
    size = len(assortment)
    from_baskets = np.zeros((size, BASKET_DIMENSIONS), np.float32)
    if baskets is not None and min(baskets.shape) > BASKET_DIMENSIONS:
        from_baskets[: baskets.shape[1]] = _basket_part(baskets, seed)
    content = content_vectors(assortment.products) * np.float32(CONTENT_WEIGHT)
    return _unit(np.concatenate((from_baskets, content), axis=1))


def content_vectors(products: Sequence[Product]) -> Matrix:
    """Return hashed attribute vectors of unit length; a product without attributes has a zero vector."""
    out = np.zeros((len(products), CONTENT_DIMENSIONS), np.float32)
    for name, weight in _CONTENT_FIELDS:
        values = [getattr(product, name) for product in products]
        # One direction for each value, and a row of zeros for none: a large catalogue has few values.
        known = (value for value in dict.fromkeys(values) if value is not None)
        place = {value: number for number, value in enumerate(known)}
        directions = np.zeros((len(place) + 1, CONTENT_DIMENSIONS), np.float32)
        codes = np.array([place.get(value, -1) for value in values], np.int64)
        for value, number in place.items():
            directions[number] = weight * _hashed(name, value)
        out += directions[codes]
    return _unit(out)


def _hashed(name: str, value: str) -> Matrix:
    """Return a random direction fixed by the text: different values are nearly orthogonal."""
    generator = np.random.default_rng(zlib.crc32(f"{name}={value}".encode()))
    return np.asarray(generator.standard_normal(CONTENT_DIMENSIONS) / np.sqrt(CONTENT_DIMENSIONS), np.float32)


def _basket_part(baskets: sp.csr_matrix, seed: int) -> Matrix:
    counts = np.asarray(baskets.sum(axis=0)).ravel()
    rarity = np.log1p(baskets.shape[0] / np.maximum(counts, 1))
    sizes = np.maximum(np.asarray(baskets.sum(axis=1)).ravel(), 1)
    weighted = sp.diags(1 / np.sqrt(sizes)) @ baskets @ sp.diags(rarity)
    start = np.random.default_rng(seed).standard_normal(min(weighted.shape))
    _, _, right = svds(weighted.astype(np.float64), k=BASKET_DIMENSIONS, v0=start)
    return _unit(right.T.astype(np.float32))


def _unit(vectors: Matrix) -> Matrix:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1.0), np.float32)
