"""Owns the only use of FAISS: nearest vectors, exact while that is fast, approximate where measured to be as good.

Below the switch point every vector is compared (IndexFlatIP). Above it an inverted file and a navigable graph are
both built over a sample and set to the least effort that finds RECALL_MIN of the true hundred; the faster is built
over everything and measured again. Whatever falls short of it is not used.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from services.recommend.history import AnyArray, Floats, Ints, Matrix

# One search takes less than a millisecond on one thread; more threads only wait for each other.
faiss.omp_set_num_threads(1)

FLAT_MAX = 500_000
"""Above so many vectors an approximate index is tried. On one core a search of so many takes some 10 ms."""
RECALL_MIN = 0.95
RECALL_DEPTH = 100
SAMPLE_MAX = 100_000
_QUERIES = 100
_EFFORTS = (8, 16, 32, 64, 128, 256)
_GRAPH_LINKS = 32
_TRAINING_PER_LIST = 40


@dataclass(frozen=True)
class Measured:
    """What an index was found to be worth: recall of the true nearest RECALL_DEPTH, processor time of one search."""

    kind: str
    effort: int
    recall: float
    search_ms: float


class VectorIndex:
    """Inner-product search over rows of unit length; a zero row is similar to nothing."""

    def __init__(self, vectors: Matrix, flat_max: int = FLAT_MAX) -> None:
        """Index the rows; more than `flat_max` of them through whatever is measured to find enough."""
        flat = _flat(vectors)
        self._flat = flat
        # The index's own memory, seen as an array: a copy beside it would double what the vectors take.
        self.vectors: Matrix = faiss.rev_swig_ptr(flat.get_xb(), vectors.size).reshape(vectors.shape)
        self._index, self.measured = (flat, None) if len(vectors) <= flat_max else _approximate(self.vectors, flat)

    def nearest(self, query: Matrix, limit: int) -> tuple[Ints, Floats]:
        """Return (rows, inner products) nearest to one query, best first."""
        scores, found = self._index.search(query.reshape(1, -1), min(limit, self.vectors.shape[0]))
        known = found[0] >= 0
        return found[0][known].astype(np.int64), scores[0][known].astype(np.float64)

    def nearest_of(self, query: Matrix, rows: Ints, limit: int) -> tuple[Ints, Floats]:
        """Return the nearest of these rows alone, exactly: cheaper than searching all where a filter leaves few."""
        scores = (self.vectors[rows] @ query.ravel()).astype(np.float64)
        order = np.argsort(-scores, kind="stable")[:limit]
        return rows[order], scores[order]


def recall(found: Sequence[AnyArray] | AnyArray, true: AnyArray) -> float:
    """Return the share of the true rows that were found, over all queries."""
    hits = sum(np.intersect1d(mine, theirs).size for mine, theirs in zip(found, true, strict=True))
    return hits / max(true.size, 1)


def _flat(vectors: Matrix) -> Any:  # noqa: ANN401 - FAISS has no types
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors, np.float32))
    return index


def _approximate(vectors: Matrix, flat: Any) -> tuple[Any, Measured | None]:  # noqa: ANN401 - FAISS has no types
    """Return the better kind over everything, or the exact index where neither finds enough."""
    draw = np.random.default_rng(7)
    sample = vectors[np.sort(draw.permutation(len(vectors))[:SAMPLE_MAX])]
    tried = [(_tuned(build(sample), kind, sample, _flat(sample)), build) for kind, build in _KINDS.items()]
    usable = [(found, build) for found, build in tried if found is not None]
    for _, build in sorted(usable, key=lambda pair: pair[0].search_ms):
        whole = build(vectors)
        kind = next(name for name, each in _KINDS.items() if each is build)
        measured = _tuned(whole, kind, vectors, flat)
        if measured is not None:
            return whole, measured
    return flat, None


def _inverted(vectors: Matrix) -> Any:  # noqa: ANN401 - FAISS has no types
    """Half-precision vectors in lists around centres: half the memory of the exact index beside it."""
    lists = max(int(4 * np.sqrt(len(vectors))), 1)
    index: Any = faiss.index_factory(vectors.shape[1], f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid = _TRAINING_PER_LIST
    index.cp.min_points_per_centroid = 1
    index.train(vectors)
    index.add(vectors)
    return index


def _graph(vectors: Matrix) -> Any:  # noqa: ANN401 - FAISS has no types
    """Half-precision vectors in a navigable small-world graph."""
    index: Any = faiss.index_factory(vectors.shape[1], f"HNSW{_GRAPH_LINKS}_SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 64
    index.train(vectors)
    index.add(vectors)
    return index


_KINDS: dict[str, Callable[[Matrix], Any]] = {"inverted file": _inverted, "graph": _graph}


def _tuned(index: Any, kind: str, vectors: Matrix, exact: Any) -> Measured | None:  # noqa: ANN401 - FAISS has no types
    """Set the least effort that finds enough and return what it was found to be worth; None where none does."""
    draw = np.random.default_rng(11)
    queries = vectors[draw.integers(0, len(vectors), _QUERIES)]
    depth = min(RECALL_DEPTH, len(vectors))
    _, true = exact.search(queries, depth)
    for effort in _EFFORTS:
        _set_effort(index, kind, effort)
        started = time.process_time()
        found = np.concatenate([index.search(query[None], depth)[1] for query in queries])
        spent_ms = (time.process_time() - started) * 1000 / len(queries)
        share = recall(found, true)
        if share >= RECALL_MIN:
            return Measured(kind, effort, share, spent_ms)
    return None


def _set_effort(index: Any, kind: str, effort: int) -> None:  # noqa: ANN401 - FAISS has no types
    if kind == "graph":
        index.hnsw.efSearch = max(effort, RECALL_DEPTH)
    else:
        index.nprobe = effort
