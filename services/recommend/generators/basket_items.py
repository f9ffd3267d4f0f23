"""Owns what goes together in a basket: EASE over baskets for the most bought products, cosine for the rest.

EASE (Steck, WWW 2019) is a ridge regression of each product on all others; on baskets of the Complete Journey it
finds the hidden product of a basket far more often than co-counts. Each product keeps its strongest companions.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from services.recommend.history import Floats, Ints, Matrix, ranges

EASE_PRODUCTS = 6000
RIDGE = 50.0
COMPANIONS = 200
_COSINE_SUPPORT = 3


@dataclass(frozen=True)
class Companions:
    """For each product (row) its companions and weights, strongest first; rows may be empty."""

    indptr: Ints
    companions: Ints
    weights: Floats

    def scores(self, items: Ints, product_count: int) -> Floats:
        """Return the summed weights towards every product, the given items themselves at zero."""
        return self.links(items, product_count).together

    def links(self, items: Ints, product_count: int, weights: Floats | None = None) -> "Links":
        """Return what the items (each worth its weight, or 1) say of every product, themselves left out."""
        known = items < self.indptr.size - 1
        items = items[known]
        starts = self.indptr[items]
        lengths = self.indptr[items + 1] - starts
        entries = ranges(starts, lengths)
        towards, strength = self.companions[entries], self.weights[entries]
        if weights is not None:
            strength = strength * np.repeat(weights[known], lengths)
        together = np.bincount(towards, strength, minlength=product_count).astype(np.float64)
        strongest = np.zeros(product_count)
        np.maximum.at(strongest, towards, strength)
        count = np.bincount(towards, minlength=product_count).astype(np.float64)
        for values in (together, strongest, count):
            values[items] = 0.0
        return Links(together, strongest, count)


@dataclass(frozen=True, slots=True)
class Links:
    """Per product: the sum of the weights towards it, the strongest of them, and how many there are."""

    together: Floats
    strongest: Floats
    count: Floats


def baskets_matrix(line_starts: Ints, product: Ints, product_count: int) -> sp.csr_matrix:
    """Return baskets x products, ones where bought."""
    ones = np.ones(product.size, np.float32)
    return sp.csr_matrix((ones, product, line_starts), shape=(line_starts.size - 1, product_count))


def companions_of(
    baskets: sp.csr_matrix, ease_products: int = EASE_PRODUCTS, kept: int = COMPANIONS, ridge: float = RIDGE
) -> Companions:
    """Fit both tables. Memory: three dense float32 matrices of ease_products squared at the peak."""
    counts = np.asarray(baskets.sum(axis=0)).ravel()
    product_count = counts.size
    head = np.sort(np.argsort(-counts, kind="stable")[: min(ease_products, int((counts > 0).sum()))])
    rows, columns, weights = _ease(baskets[:, head], kept, ridge)
    tail_rows, tail_columns, tail_weights = _cosine(baskets, counts, head, kept)
    return _table(
        np.concatenate((head[rows], tail_rows)),
        np.concatenate((head[columns], tail_columns)),
        np.concatenate((weights, tail_weights)),
        product_count,
    )


def _ease(baskets: sp.csr_matrix, kept: int, ridge: float) -> tuple[Ints, Ints, Floats]:
    gram = np.asarray((baskets.T @ baskets).todense(), np.float32)
    size = gram.shape[0]
    if not size:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    gram[np.diag_indices(size)] += ridge
    inverse = scipy.linalg.inv(gram, overwrite_a=True, check_finite=False)
    weights = inverse / -np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0.0)
    return _strongest(weights, kept)


def _strongest(weights: Matrix, kept: int) -> tuple[Ints, Ints, Floats]:
    """Return the `kept` largest positive entries of each row."""
    kept = min(kept, weights.shape[1])
    columns = np.argpartition(-weights, kept - 1, axis=1)[:, :kept]
    values = np.take_along_axis(weights, columns, axis=1).astype(np.float64)
    rows = np.repeat(np.arange(weights.shape[0]), kept)
    positive = values.ravel() > 0
    return rows[positive], columns.ravel()[positive].astype(np.int64), values.ravel()[positive]


def _cosine(baskets: sp.csr_matrix, counts: Floats, head: Ints, kept: int) -> tuple[Ints, Ints, Floats]:
    """Cosine rows for products outside the head; chance meetings below a support of three do not count."""
    is_tail = counts > 0
    is_tail[head] = False
    tail = np.flatnonzero(is_tail)
    together = (baskets[:, tail].T @ baskets).tocoo()
    use = (together.data >= _COSINE_SUPPORT) & (tail[together.row] != together.col)
    rows, columns = tail[together.row[use]], together.col[use].astype(np.int64)
    cosine = together.data[use] / np.sqrt(counts[rows] * counts[columns])
    order = np.lexsort((columns, -cosine, rows))
    rows, columns, cosine = rows[order], columns[order], cosine[order]
    place = np.arange(rows.size) - np.searchsorted(rows, rows, side="left")
    return rows[place < kept], columns[place < kept], cosine[place < kept].astype(np.float64)


def _table(rows: Ints, columns: Ints, weights: Floats, product_count: int) -> Companions:
    order = np.lexsort((columns, -weights, rows))
    rows = rows[order]
    indptr = np.searchsorted(rows, np.arange(product_count + 1)).astype(np.int64)
    return Companions(indptr, columns[order], weights[order])
