"""Owns matrix factorisation of implicit feedback (iALS; Hu, Koren, Volinsky, ICDM 2008), with customers folded in.

Every pair of customer and product counts: bought ones with a confidence that grows with the purchases, all others
with confidence one. Each side is solved exactly with the other one fixed. A customer's factors follow from the
products' alone, so a new basket changes them at once, without a new training.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from services.recommend.generators.neighbours import Profiles
from services.recommend.history import Floats, Ints, Matrix


@dataclass(frozen=True, slots=True)
class FactorSettings:
    """How the factors are fitted: a purchase of weight w counts 1 + `confidence` x w, everything else 1."""

    factors: int = 64
    sweeps: int = 10
    ridge: float = 3.0
    confidence: float = 30.0


DEFAULTS = FactorSettings()


@dataclass(frozen=True)
class Factors:
    """A vector per customer and per product; their inner product says how likely a purchase is."""

    customers: Matrix
    products: Matrix

    def scores(self, row: int) -> Floats:
        """Return every product's score for a customer of the training."""
        return np.asarray(self.products @ self.customers[row], np.float64)


def factors_of(profiles: Profiles, settings: FactorSettings = DEFAULTS, seed: int = 7) -> Factors:
    """Fit on customers' weighted products. Time per sweep: entries x factors squared."""
    shape = (profiles.row_count, profiles.product_count)
    bought = sp.csr_matrix((profiles.weights.astype(np.float32), profiles.products, profiles.indptr), shape=shape)
    by_product = bought.T.tocsr()
    draw = np.random.default_rng(seed)
    products = draw.standard_normal((shape[1], settings.factors)) * 0.1 / np.sqrt(settings.factors)
    found = products.astype(np.float32)
    for _ in range(settings.sweeps):
        customers = _side(bought, found, settings)
        found = _side(by_product, customers, settings)
    return Factors(_side(bought, found, settings), found)


def _side(rows: sp.csr_matrix, other: Matrix, settings: FactorSettings) -> Matrix:
    """Solve for every row's vector with the other side's fixed."""
    gram = np.asarray(other.T @ other + settings.ridge * np.eye(other.shape[1]), np.float32)
    ends = rows.indptr
    parts = (slice(ends[row], ends[row + 1]) for row in range(rows.shape[0]))
    extra = settings.confidence * rows.data
    return np.stack([_solved(other, gram, rows.indices[part], extra[part]) for part in parts])


def _solved(other: Matrix, gram: Matrix, columns: Ints, extra: Matrix) -> Matrix:
    if not columns.size:
        return np.zeros(other.shape[1], np.float32)
    near = other[columns]
    left = gram + near.T @ (near * extra[:, None])
    return np.asarray(np.linalg.solve(left, near.T @ (1 + extra)), np.float32)
