"""Nearest vectors: exact when few, measured when many, never worse than promised."""

import numpy as np
import pytest

from services.recommend.generators import vector_index
from services.recommend.generators.item_vectors import ItemIndex
from services.recommend.generators.vector_index import RECALL_MIN, VectorIndex, recall
from services.recommend.history import Matrix


def clustered(rows: int, width: int = 16, clusters: int = 40, spread: float = 0.25, seed: int = 3) -> Matrix:
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((clusters, width))
    made = centres[draw.integers(0, clusters, rows)] + spread * draw.standard_normal((rows, width))
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def test_few_vectors_are_all_compared() -> None:
    vectors = clustered(500)
    index = VectorIndex(vectors)
    found, scores = index.nearest(vectors[7], 10)
    assert index.measured is None
    assert found.tolist() == np.argsort(-(vectors @ vectors[7]), kind="stable")[:10].tolist()
    assert scores[0] == pytest.approx(1.0, abs=1e-5)


@pytest.fixture(scope="module")
def many() -> VectorIndex:
    return VectorIndex(clustered(6000), flat_max=1000)


def test_past_the_switch_point_an_approximate_index_finds_what_was_promised(many: VectorIndex) -> None:
    assert many.measured is not None
    assert many.measured.recall >= RECALL_MIN
    queries = clustered(50)
    found = [many.nearest(query, 100)[0] for query in queries]
    true = np.argsort(-(queries @ many.vectors.T), axis=1)[:, :100]
    assert recall(found, true) >= RECALL_MIN - 0.05


def test_what_cannot_be_approximated_is_searched_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "RECALL_MIN", 1.1)
    vectors = clustered(1500)
    index = VectorIndex(vectors, flat_max=1000)
    assert index.measured is None
    assert index.nearest(vectors[3], 1)[0].tolist() == [3]


def test_only_the_kind_that_was_measured_over_everything_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_index, "_KINDS", {"graph": vector_index._graph})
    index = VectorIndex(clustered(2000), flat_max=1000)
    assert index.measured is not None
    assert index.measured.kind == "graph"


def test_vectors_stay_readable_whatever_the_index(many: VectorIndex) -> None:
    assert np.allclose(many.vectors, clustered(6000))


def test_a_narrow_filter_does_not_empty_the_list() -> None:
    vectors = clustered(4000)
    items = ItemIndex(vectors)
    far = np.zeros(4000, np.bool_)
    far[np.argsort(vectors @ vectors[0])[:20]] = True
    found, _ = items.similar(np.array([0]), 5, ~far)
    assert found.size == 5
    close = np.flatnonzero(vectors @ vectors[0] > 0)
    few = np.zeros(4000, np.bool_)
    few[close[-30:]] = True
    narrow, scores = items.similar(np.array([0]), 5, few)
    assert few[narrow].all()
    assert narrow.size == 5
    assert (np.diff(scores) <= 0).all()


def test_recall_counts_what_was_found_of_the_true() -> None:
    assert recall(np.array([[1, 2], [3, 9]]), np.array([[1, 2], [3, 4]])) == 0.75
