"""Owns item-based collaborative filtering: products whose buyers buy what this customer buys, by cosine.

The sum over own products of the cosine between two products' buyers is two products with the table of customers:
no table of products by products is made, and nothing is cut off.
"""

import numpy as np
import scipy.sparse as sp

from services.recommend.generators.neighbours import Profiles, SparseVector
from services.recommend.history import Floats


class ItemCosine:
    """Cosines between products over customers' weighted purchases."""

    def __init__(self, profiles: Profiles) -> None:
        """Scale each product's column to unit length."""
        shape = (profiles.row_count, profiles.product_count)
        rows = sp.csr_matrix((profiles.weights, profiles.products, profiles.indptr), shape=shape)
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=0)).ravel())
        self._rows = (rows @ sp.diags(1 / np.maximum(lengths, 1e-12))).tocsr()
        self._columns = self._rows.T.tocsr()

    def scores(self, vector: SparseVector, product_count: int) -> Floats:
        """Return the cosine-weighted sum over the vector's products, each product's cosine with itself included."""
        known = vector.products < self._rows.shape[1]
        mine = np.zeros(self._rows.shape[1])
        mine[vector.products[known]] = vector.weights[known]
        found = np.asarray(self._columns @ (self._rows @ mine), np.float64)
        return np.pad(found, (0, product_count - found.size))
