"""Owns approximate nearest neighbours: an inverted file and a graph, each set to the least effort that finds enough.

Both are built over a sample and measured against comparing everything; the faster one of those that find RECALL_MIN
of the true nearest is built over everything and measured again. What falls short of it is not used.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from services.recommend.history import AnyArray, Ints, Matrix

RECALL_MIN = 0.95
RECALL_DEPTH = 100
ASKED = 400
"""How many a search is asked for, as where lists are answered: filters take some of them away."""
SAMPLE_MAX = 100_000
QUERIES = 100
INVERTED_FILE, GRAPH = "inverted file", "graph"
EFFORTS: Mapping[str, Sequence[int]] = {INVERTED_FILE: (4, 8, 16, 32, 64, 128, 256), GRAPH: (400, 600, 800)}
_GRAPH_LINKS = 32
_TRAINING_PER_LIST = 40


@dataclass(frozen=True, slots=True)
class Measured:
    """What an index was found to be worth: recall of the true nearest, processor time of one search."""

    kind: str
    effort: int
    recall: float
    search_ms: float


@dataclass(frozen=True, slots=True)
class Approximate:
    """An index over the first `rows` vectors, and what it was measured at."""

    index: Any
    rows: int
    measured: Measured


@dataclass(frozen=True, slots=True)
class Truth:
    """Vectors that are asked for, and their true nearest."""

    queries: Matrix
    nearest: Ints

    @property
    def depth(self) -> int:
        return int(self.nearest.shape[1])


def approximated(vectors: Matrix) -> Approximate | None:
    """Return the faster kind over everything, or None where none finds enough."""
    draw = np.random.default_rng(7)
    sample = vectors[np.sort(draw.permutation(len(vectors))[:SAMPLE_MAX])]
    true = truth_of(sample)
    built = {kind: build(sample) for kind, build in KINDS.items()}
    tried = {kind: least_effort(index, kind, true) for kind, index in built.items()}
    usable = {kind: found for kind, found in tried.items() if found is not None}
    is_all = len(sample) == len(vectors)
    true = true if is_all else truth_of(vectors)
    for kind in sorted(usable, key=lambda name: usable[name].search_ms):
        whole = built[kind] if is_all else KINDS[kind](vectors)
        measured = least_effort(whole, kind, true)
        if measured is not None:
            return Approximate(whole, len(vectors), measured)
    return None


def opened(content: bytes, vectors: Matrix, measured: Measured) -> Approximate:
    """Read an index of these vectors, or of the first of them, back. Raises ValueError."""
    try:
        index = faiss.deserialize_index(np.frombuffer(content, np.uint8))
    except RuntimeError as error:
        raise ValueError(f"the index of vectors cannot be read: {error}") from error
    if index.d != vectors.shape[1] or index.ntotal > len(vectors):
        raise ValueError(f"the index holds {index.ntotal} vectors of {index.d}, the version {vectors.shape}")
    set_effort(index, measured.kind, measured.effort)
    return Approximate(index, int(index.ntotal), measured)


def truth_of(vectors: Matrix, depth: int = RECALL_DEPTH, count: int = QUERIES) -> Truth:
    """Draw queries among the vectors and compare them with all of these."""
    draw = np.random.default_rng(11)
    queries = vectors[draw.integers(0, len(vectors), count)]
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    return Truth(queries, exact.search(queries, min(depth, len(vectors)))[1])


def least_effort(index: Any, kind: str, true: Truth) -> Measured | None:  # noqa: ANN401 - FAISS has no types
    """Set the least effort that finds enough and return what it was found to be worth; None where none does."""
    return next((each for each in measurements(index, kind, true) if each.recall >= RECALL_MIN), None)


def measurements(index: Any, kind: str, true: Truth) -> Iterator[Measured]:  # noqa: ANN401 - FAISS has no types
    """Yield what every effort is worth, the least first; the index keeps the last one asked for."""
    for effort in EFFORTS[kind]:
        set_effort(index, kind, effort)
        # This thread's time alone: lists may be answered beside it.
        started = time.thread_time()
        found = np.concatenate([index.search(query[None], ASKED)[1] for query in true.queries])
        spent_ms = (time.thread_time() - started) * 1000 / len(true.queries)
        yield Measured(kind, effort, recall(found[:, : true.depth], true.nearest), spent_ms)


def recall(found: Sequence[AnyArray] | AnyArray, true: AnyArray) -> float:
    """Return the share of the true rows that were found, over all queries."""
    hits = sum(np.intersect1d(mine, theirs).size for mine, theirs in zip(found, true, strict=True))
    return hits / max(true.size, 1)


def set_effort(index: Any, kind: str, effort: int) -> None:  # noqa: ANN401 - FAISS has no types
    """Look at so many lists of an inverted file, or at so many candidates in a graph."""
    if kind == GRAPH:
        index.hnsw.efSearch = effort
    else:
        index.nprobe = effort


def _inverted_file(vectors: Matrix) -> Any:  # noqa: ANN401 - FAISS has no types
    """Half-precision vectors in lists around centres: half the memory of comparing all."""
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


KINDS: Mapping[str, Callable[[Matrix], Any]] = {INVERTED_FILE: _inverted_file, GRAPH: _graph}
