"""Owns EASE over customers (Steck, WWW 2019): a ridge regression of each product on all others a customer buys.

With far fewer customers than products the ridge is solved on the customers' side (Woodbury), exactly: the matrix to
invert is as large as the number of customers, which is bounded by taking those who buy the most kinds of products.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from services.recommend.generators.neighbours import Profiles
from services.recommend.history import Floats, Ints, Matrix

RIDGE = 0.03
LARGEST_CROWD = 5000


@dataclass(frozen=True)
class Ease:
    """What predicts: the customers learned from, their inverse, and each product's scale."""

    customers: sp.csr_matrix
    inverse: Matrix
    diagonal: Floats
    ridge: float

    def scores(self, products: Ints, weights: Floats) -> Floats:
        """Return what purchases (products, weights) predict for every product; none predicts itself."""
        known = products < self.diagonal.size
        mine = np.zeros(self.diagonal.size)
        mine[products[known]] = weights[known]
        shared = np.asarray(self.customers @ mine)
        explained = np.asarray(self.customers.T @ (self.inverse @ shared))
        return np.asarray(mine - (mine - explained) / self.ridge / self.diagonal, np.float64)


def ease_of(profiles: Profiles, ridge: float = RIDGE, largest_crowd: int = LARGEST_CROWD) -> Ease:
    """Fit on customers' weighted products, of at most `largest_crowd` customers."""
    shape = (profiles.row_count, profiles.product_count)
    rows = sp.csr_matrix((profiles.weights, profiles.products, profiles.indptr), shape=shape)
    if shape[0] > largest_crowd:
        rows = rows[np.sort(np.argsort(-profiles.entry_counts, kind="stable")[:largest_crowd])]
    gram = np.asarray((rows @ rows.T).todense(), np.float64)
    gram[np.diag_indices(gram.shape[0])] += ridge
    inverse = np.asarray(scipy.linalg.inv(gram, overwrite_a=True, check_finite=False))
    return Ease(rows, inverse, _diagonal(rows, inverse, ridge), ridge)


def _diagonal(rows: sp.csr_matrix, inverse: Matrix, ridge: float) -> Floats:
    """Return the diagonal of the products' inverse, a thousand products at a time."""
    out = np.empty(rows.shape[1])
    columns = rows.tocsc()
    for start in range(0, out.size, 1000):
        part = columns[:, start : start + 1000]
        out[start : start + 1000] = np.asarray(part.multiply(inverse @ part).sum(axis=0)).ravel()
    return (1 - out) / ridge
