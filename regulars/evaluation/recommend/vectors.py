"""Owns measuring the index of similar products: how much of the true nearest is found, at what cost, by size.

The vectors are the product's own, of the data's baskets and catalogue; beyond their number they are copied with
jitter, so that a copy's nearest are its siblings, as sizes and flavours of one product are. Times are this thread's.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import faiss
import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.next_basket import temporal_cut
from services.recommend.generators.approximate import (
    ASKED,
    KINDS,
    RECALL_MIN,
    Measured,
    Truth,
    measurements,
    truth_of,
)
from services.recommend.generators.item_vectors import item_vectors
from services.recommend.generators.vector_index import VectorIndex
from services.recommend.history import Matrix
from services.recommend.training.fitting import baskets_before

SIZES = (10_000, 20_000, 50_000, 100_000, 200_000)
DEPTH = 50
JITTER = 0.3
"""Length of the noise added to a unit vector: a copy's cosine with its original is .96."""
SEED = 11
NEW_PRODUCTS = 1000


def evaluate_vectors(
    data: Evaluated, progress: Progress = lambda _: None, sizes: Sequence[int] = SIZES
) -> dict[str, Any]:
    """Compare flat search, an inverted file and a graph at each size; recall is that of the true DEPTH nearest."""
    progress("learning vectors")
    vectors = item_vectors(baskets_before(data.dataset, temporal_cut(data.dataset)), data.assortment)
    found = {}
    for size in sizes:
        made = replicated(vectors, size)
        found[f"{size:,}"] = list(_searched(made, progress))
    return {"data": data.name, "part": "vectors", "depth": DEPTH, "asked": ASKED, "sizes": found}


def replicated(vectors: Matrix, size: int) -> Matrix:
    """Return so many unit rows: the first are the vectors themselves, the others copies with jitter."""
    draw = np.random.default_rng(SEED)
    made = vectors[np.arange(size) % len(vectors)].astype(np.float32)
    late = slice(len(vectors), None)
    made[late] += (JITTER / np.sqrt(made.shape[1])) * draw.standard_normal(made[late].shape, np.float32)
    length = np.linalg.norm(made, axis=1, keepdims=True)
    return np.asarray(made / np.where(length > 0, length, 1), np.float32)


def _searched(made: Matrix, progress: Progress) -> Iterator[dict[str, Any]]:
    progress(f"{len(made):,} vectors: comparing all")
    true = truth_of(made, DEPTH)
    exact, build_s = _timed(lambda: VectorIndex(made))
    search_ms = _search_ms(exact, true)
    _, growing_s = _timed(lambda: exact.grown(made[:NEW_PRODUCTS]))
    row = {"kind": "flat", "effort": len(made), "recall": 1.0, "search_ms": search_ms}
    yield row | _cost(build_s, made.nbytes) | {"growing_ms": growing_s * 1000}
    for kind, build in KINDS.items():
        progress(f"{len(made):,} vectors: {kind}")
        index, build_s = _timed(partial(build, made))
        enough = _enough(list(measurements(index, kind, true)))
        row = {name: getattr(enough, name) for name in ("kind", "effort", "recall", "search_ms")}
        yield row | _cost(build_s, len(faiss.serialize_index(index)))


def _enough(tried: Sequence[Measured]) -> Measured:
    """Return the least effort that finds RECALL_MIN, else the one that finds most."""
    enough = (each for each in tried if each.recall >= RECALL_MIN)
    return next(enough, None) or max(tried, key=lambda each: each.recall)


def _cost(build_s: float, size_bytes: int) -> dict[str, float]:
    return {"build_s": build_s, "memory_mb": size_bytes / 1e6}


def _search_ms(index: VectorIndex, true: Truth) -> float:
    _, spent_s = _timed(lambda: [index.nearest(query, ASKED) for query in true.queries])
    return spent_s * 1000 / len(true.queries)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.thread_time()
    found = work()
    return found, time.thread_time() - started
