"""Owns customer-to-customer similarity over sparse profiles: what TIFU-KNN, UP-CF and cosine neighbours share."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from services.recommend.history import AnyArray, Floats, Ints


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

    indptr: Ints
    products: Ints
    weights: Floats
    by_product_indptr: Ints
    by_product_rows: Ints
    by_product_weights: Floats
    squared_norms: Floats
    entry_counts: Ints

    @property
    def row_count(self) -> int:
        return self.indptr.size - 1

    @property
    def product_count(self) -> int:
        return self.by_product_indptr.size - 1


def profiles_of(vectors: list[SparseVector], product_count: int) -> Profiles:
    """Build the table of all customers' vectors, row by row."""
    lengths = [vector.products.size for vector in vectors]
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    products = _joined([vector.products for vector in vectors], np.int64)
    weights = _joined([vector.weights for vector in vectors], np.float64)
    rows = sp.csr_matrix((weights, products, indptr), shape=(len(vectors), product_count))
    columns = rows.tocsc()
    return Profiles(
        indptr=indptr,
        products=products,
        weights=weights,
        by_product_indptr=columns.indptr.astype(np.int64),
        by_product_rows=columns.indices.astype(np.int64),
        by_product_weights=columns.data,
        squared_norms=np.array([vector.weights @ vector.weights for vector in vectors], np.float64),
        entry_counts=np.array(lengths, np.int64),
    )


def dot_products(profiles: Profiles, vector: SparseVector, *, binary: bool = False) -> Floats:
    """Return each row's product with `vector` (unknown products skipped); `binary` counts shared products."""
    known = vector.products < profiles.product_count
    wanted, weights = vector.products[known], vector.weights[known]
    starts = profiles.by_product_indptr[wanted]
    lengths = profiles.by_product_indptr[wanted + 1] - starts
    entries = ranges(starts, lengths)
    rows = profiles.by_product_rows[entries]
    values = None if binary else profiles.by_product_weights[entries] * np.repeat(weights, lengths)
    return np.bincount(rows, values, minlength=profiles.row_count).astype(np.float64)


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


def blended(profiles: Profiles, rows: Ints, row_weights: Floats, product_count: int) -> Floats:
    """Return the weighted sum of rows as a dense vector over `product_count` products."""
    starts, ends = profiles.indptr[rows], profiles.indptr[rows + 1]
    # Rows lie together in memory: joining slices is twice as fast as gathering their entries one by one.
    parts = [slice(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    products = _joined([profiles.products[part] for part in parts], np.int64)
    weights = _joined([profiles.weights[part] for part in parts], np.float64)
    values = weights * np.repeat(row_weights, ends - starts)
    return np.bincount(products, values, minlength=product_count).astype(np.float64, copy=False)


def dense(vector: SparseVector, product_count: int) -> Floats:
    out = np.zeros(product_count)
    out[vector.products] = vector.weights
    return out


def ranges(starts: Ints, lengths: Ints) -> Ints:
    """Return the concatenation of start..start+length for each pair."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if ends.size else 0
    return np.repeat(starts - ends + lengths, lengths) + np.arange(total)


def _joined(parts: list[AnyArray], dtype: type) -> AnyArray:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype, copy=False)
