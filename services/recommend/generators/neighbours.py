"""Owns customer-to-customer similarity over sparse profiles: what TIFU-KNN, UP-CF and cosine neighbours share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from services.recommend.history import AnyArray, Floats, Ints, Matrix

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Products (ascending) with weights."""

    products: Ints
    weights: Floats

    @property
    def norm(self) -> float:
        return float(np.sqrt(self.weights @ self.weights))


@dataclass(frozen=True)
class Profiles:
    """One sparse row per customer, and the same by product, so that a request touches only its own products."""

    indptr: Codes
    products: Codes
    weights: Matrix
    by_product_indptr: Codes
    by_product_rows: Codes
    by_product_weights: Matrix
    squared_norms: Floats
    entry_counts: Ints

    @property
    def row_count(self) -> int:
        return self.indptr.size - 1

    @property
    def product_count(self) -> int:
        return self.by_product_indptr.size - 1

    @cached_property
    def by_customer(self) -> sp.csr_matrix:
        """Return customers x products over the same memory."""
        return sp.csr_matrix((self.weights, self.products, self.indptr), (self.row_count, self.product_count))

    @cached_property
    def by_product(self) -> sp.csr_matrix:
        """Return products x customers over the same memory."""
        parts = (self.by_product_weights, self.by_product_rows, self.by_product_indptr)
        return sp.csr_matrix(parts, (self.product_count, self.row_count))

    @cached_property
    def holds(self) -> sp.csr_matrix:
        """Return products x customers with a one for every entry, whatever its weight."""
        ones = np.ones(self.by_product_rows.size, np.float32)
        shape = (self.product_count, self.row_count)
        return sp.csr_matrix((ones, self.by_product_rows, self.by_product_indptr), shape)


def profiles_of(vectors: list[SparseVector], product_count: int) -> Profiles:
    """Build the table of all customers' vectors, row by row."""
    lengths = [vector.products.size for vector in vectors]
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    products = _joined([vector.products for vector in vectors], np.int32)
    weights = _joined([vector.weights for vector in vectors], np.float32)
    columns = sp.csr_matrix((weights, products, indptr), shape=(len(vectors), product_count)).tocsc()
    return Profiles(
        indptr=indptr,
        products=products,
        weights=weights,
        by_product_indptr=columns.indptr.astype(np.int32),
        by_product_rows=columns.indices.astype(np.int32),
        by_product_weights=columns.data,
        squared_norms=np.array([vector.weights @ vector.weights for vector in vectors], np.float64),
        entry_counts=np.array(lengths, np.int64),
    )


def dot_products(profiles: Profiles, vector: SparseVector) -> Floats:
    """Return each row's product with `vector`; unknown products are skipped."""
    return _dotted(profiles.by_product, vector.products, vector.weights)


def shared_counts(profiles: Profiles, products: Ints) -> Floats:
    """Return how many of these products each row has."""
    return _dotted(profiles.holds, products, np.ones(products.size))


def nearest(similarity: Floats, k: int, own_row: int | None) -> Ints:
    """Return the k rows of highest similarity (ties: the smaller row), without the customer's own row."""
    scores = similarity.copy()
    if own_row is not None:
        scores[own_row] = -np.inf
    k = min(k, scores.size - (own_row is not None))
    if k <= 0:
        return np.empty(0, np.int64)
    # Everything not below the k-th value, so that ties are decided by row and not by the partition.
    rows = np.flatnonzero(scores >= np.partition(scores, scores.size - k)[scores.size - k])
    return rows[np.argsort(-scores[rows], kind="stable")[:k]]


def blended(profiles: Profiles, rows: Ints, row_weights: Floats, product_count: int) -> Matrix:
    """Return the weighted sum of rows as a dense vector over `product_count` products."""
    # In order of memory, whatever the order of similarity: half the time, and sums that do not depend on ties.
    order = np.argsort(rows, kind="stable")
    chosen = profiles.by_customer[rows[order]]
    total: Matrix = chosen.T @ row_weights[order].astype(np.float32)
    return np.pad(total, (0, product_count - total.size)) if total.size < product_count else total


def dense(vector: SparseVector, product_count: int) -> Matrix:
    out = np.zeros(product_count, np.float32)
    out[vector.products] = vector.weights
    return out


def _dotted(by_product: sp.csr_matrix, products: Ints, weights: Floats) -> Floats:
    known = products < by_product.shape[0]
    found = by_product[products[known]].T @ weights[known].astype(np.float32)
    return np.asarray(found, np.float64)


def _joined(parts: list[AnyArray], dtype: type) -> AnyArray:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype, copy=False)
