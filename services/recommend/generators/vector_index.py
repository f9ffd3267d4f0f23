"""Owns finding the nearest vectors: all compared, or through an approximate index and what came after it.

An approximate index is made where a version is trained (`fastest`), never where lists are answered: products that
come later lie beside it and are all compared, until the next training. So growth costs a copy of the vectors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from services.recommend.generators.approximate import Approximate, Measured, approximated, opened
from services.recommend.history import Floats, Ints, Matrix

# One search takes less than a millisecond on one thread; more threads only wait for each other.
faiss.omp_set_num_threads(1)

FLAT_MAX = 50_000
"""Above so many vectors an approximate index is tried. A search of so many takes .8 ms of one core, of twice as many
3.5 ms, which is what ranking a whole list may take: they no longer fit into the processor's cache.
"""


class VectorIndex:
    """Inner-product search over rows of unit length; a zero row is similar to nothing."""

    def __init__(self, vectors: Matrix, approximate: Approximate | None = None) -> None:
        """Compare all rows, or only those after the ones that `approximate` holds."""
        self.approximate = approximate
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        if approximate is None:
            self._exact = flat(self.vectors)
            # The index's own memory, seen as an array: a copy beside it would double what the vectors take.
            self.vectors = faiss.rev_swig_ptr(self._exact.get_xb(), vectors.size).reshape(vectors.shape)

    @property
    def measured(self) -> Measured | None:
        """Return what the approximate index was found to be worth; None where every row is compared."""
        return None if self.approximate is None else self.approximate.measured

    @property
    def beside(self) -> int:
        """Return how many rows came after the approximate index was made."""
        return 0 if self.approximate is None else len(self.vectors) - self.approximate.rows

    def grown(self, extra: Matrix) -> "VectorIndex":
        """Return the index with these rows behind the others; this one goes on as it is."""
        return VectorIndex(np.concatenate((self.vectors, extra)), self.approximate)

    def nearest(self, query: Matrix, limit: int) -> tuple[Ints, Floats]:
        """Return (rows, inner products) nearest to one query, best first."""
        limit = min(limit, self.vectors.shape[0])
        if self.approximate is None:
            return _known(self._exact, query, limit)
        rows, scores = _known(self.approximate.index, query, limit)
        late = self.vectors[self.approximate.rows :] @ query.ravel()
        rows = np.concatenate((rows, self.approximate.rows + np.arange(late.size)))
        scores = np.concatenate((scores, late.astype(np.float64)))
        order = np.argsort(-scores, kind="stable")[:limit]
        return rows[order], scores[order]

    def nearest_of(self, query: Matrix, rows: Ints, limit: int) -> tuple[Ints, Floats]:
        """Return the nearest of these rows alone, exactly: cheaper than searching all where a filter leaves few."""
        scores = (self.vectors[rows] @ query.ravel()).astype(np.float64)
        order = np.argsort(-scores, kind="stable")[:limit]
        return rows[order], scores[order]

    def in_words(self) -> str:
        """Say how rows are found, for a log or a person."""
        found = self.measured
        if found is None:
            return f"every one of {len(self.vectors):,} vectors is compared"
        how = f"{found.kind}, effort {found.effort}, {found.search_ms:.2f} ms"
        return f"{how}, finds {found.recall:.1%} of the true nearest of {len(self.vectors):,} vectors"


def fastest(vectors: Matrix, flat_max: int = FLAT_MAX) -> VectorIndex:
    """Return an index that compares all rows; of more than `flat_max`, the fastest one that finds enough."""
    exact = VectorIndex(vectors)
    if len(vectors) <= flat_max:
        return exact
    found = approximated(exact.vectors)
    return exact if found is None else VectorIndex(vectors, found)


def flat(vectors: Matrix) -> Any:  # noqa: ANN401 - FAISS has no types
    """Return the index that compares every row."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


@dataclass(frozen=True, slots=True)
class Written:
    """An approximate index as a file of a version."""

    content: bytes
    measured: Measured


def to_bytes(index: VectorIndex) -> Written | None:
    """Return what is to be kept beside the vectors; None where these are all there is."""
    kept = index.approximate
    return None if kept is None else Written(faiss.serialize_index(kept.index).tobytes(), kept.measured)


def index_of(vectors: Matrix, content: bytes | None, measured: Mapping[str, Any] | None) -> VectorIndex:
    """Read an index back without measuring it again. Raises ValueError where it is not of these vectors."""
    if content is None or measured is None:
        return VectorIndex(vectors)
    return VectorIndex(vectors, opened(content, vectors, Measured(**measured)))


def _known(index: Any, query: Matrix, limit: int) -> tuple[Ints, Floats]:  # noqa: ANN401 - FAISS has no types
    scores, found = index.search(query.reshape(1, -1), limit)
    known = found[0] >= 0
    return found[0][known].astype(np.int64), scores[0][known].astype(np.float64)
