"""Nearest vectors: exact when few, measured when many, never worse than promised, growing without being remade."""

import numpy as np
import pytest

from services.recommend.generators import approximate
from services.recommend.generators.approximate import RECALL_MIN, recall
from services.recommend.generators.item_vectors import ItemIndex
from services.recommend.generators.vector_index import VectorIndex, fastest, index_of, to_bytes
from services.recommend.history import Ints, Matrix


def clustered(rows: int, width: int = 16, clusters: int = 40, spread: float = 0.25, seed: int = 3) -> Matrix:
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((clusters, width))
    made = centres[draw.integers(0, clusters, rows)] + spread * draw.standard_normal((rows, width))
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def nearest(vectors: Matrix, query: Matrix, limit: int) -> Ints:
    found: Ints = np.argsort(-(vectors @ query), kind="stable")[:limit]
    return found


def test_few_vectors_are_all_compared() -> None:
    vectors = clustered(500)
    index = fastest(vectors)
    found, scores = index.nearest(vectors[7], 10)
    assert index.measured is None
    assert found.tolist() == nearest(vectors, vectors[7], 10).tolist()
    assert scores[0] == pytest.approx(1.0, abs=1e-5)
    assert index.in_words() == "every one of 500 vectors is compared"


@pytest.fixture(scope="module")
def many() -> VectorIndex:
    return fastest(clustered(6000), flat_max=1000)


def test_past_the_switch_point_an_approximate_index_finds_what_was_promised(many: VectorIndex) -> None:
    assert many.measured is not None
    assert many.measured.recall >= RECALL_MIN
    queries = clustered(50)
    found = [many.nearest(query, 100)[0] for query in queries]
    true = np.argsort(-(queries @ many.vectors.T), axis=1)[:, :100]
    assert recall(found, true) >= RECALL_MIN - 0.05


def test_what_was_measured_is_said(many: VectorIndex) -> None:
    assert many.measured is not None
    told = many.in_words()
    assert told.startswith(many.measured.kind)
    assert f"{many.measured.recall:.1%} of the true nearest of 6,000" in told


def test_what_cannot_be_approximated_is_searched_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "RECALL_MIN", 1.1)
    vectors = clustered(1500)
    index = fastest(vectors, flat_max=1000)
    assert index.measured is None
    assert index.nearest(vectors[3], 1)[0].tolist() == [3]


@pytest.mark.parametrize("kind", list(approximate.KINDS))
def test_only_the_kind_that_was_measured_over_everything_is_used(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(approximate, "KINDS", {kind: approximate.KINDS[kind]})
    index = fastest(clustered(2000), flat_max=1000)
    assert index.measured is not None
    assert index.measured.kind == kind


@pytest.mark.parametrize(("sample", "rows_built"), [(2000, [2000]), (1500, [1500, 2000])])
def test_a_sample_that_is_everything_is_not_built_again(
    monkeypatch: pytest.MonkeyPatch, sample: int, rows_built: list[int]
) -> None:
    kind, build = next(iter(approximate.KINDS.items()))
    built: list[int] = []

    def counted(vectors: Matrix) -> object:
        built.append(len(vectors))
        return build(vectors)

    monkeypatch.setattr(approximate, "KINDS", {kind: counted})
    monkeypatch.setattr(approximate, "SAMPLE_MAX", sample)
    index = fastest(clustered(2000), flat_max=1000)
    assert index.measured is not None
    assert built == rows_built


def test_vectors_stay_readable_whatever_the_index(many: VectorIndex) -> None:
    assert np.allclose(many.vectors, clustered(6000))


@pytest.mark.parametrize("flat_max", [100_000, 1000])
def test_products_that_come_later_are_found_and_nothing_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, flat_max: int
) -> None:
    vectors, extra = clustered(3000), clustered(40, seed=9)
    before = fastest(vectors, flat_max=flat_max)
    monkeypatch.setattr(approximate, "KINDS", {})
    grown = before.grown(extra[:25]).grown(extra[25:])
    assert len(before.vectors) == 3000
    assert np.array_equal(grown.vectors, np.concatenate((vectors, extra)))
    assert grown.approximate is before.approximate
    assert grown.beside == (0 if before.approximate is None else 40)
    for place, query in enumerate(extra):
        found, scores = grown.nearest(query, 5)
        assert found[0] == 3000 + place
        assert (np.diff(scores) <= 0).all()
    assert set(grown.nearest(vectors[0], 50)[0].tolist()) <= set(range(3040))


def test_late_rows_stand_where_comparing_everything_puts_them(many: VectorIndex) -> None:
    extra = clustered(500, seed=8)
    grown = many.grown(extra)
    everything = np.concatenate((many.vectors, extra))
    for query in clustered(20, seed=5):
        late = [row for row in nearest(everything, query, 50).tolist() if row >= 6000]
        found = grown.nearest(query, 100)[0]
        assert set(late) <= set(found.tolist())
        assert [row for row in found.tolist() if row in late] == late


def test_index_is_read_back_as_it_was_measured(many: VectorIndex) -> None:
    written = to_bytes(many)
    assert written is not None
    assert many.measured is not None
    read = index_of(many.vectors, written.content, {**_columns(written.measured)})
    assert read.measured == many.measured
    for query in clustered(10, seed=4):
        mine, theirs = read.nearest(query, 30), many.nearest(query, 30)
        assert mine[0].tolist() == theirs[0].tolist()
        assert mine[1].tolist() == theirs[1].tolist()


def test_exact_index_has_no_file_of_its_own() -> None:
    vectors = clustered(50)
    assert to_bytes(VectorIndex(vectors)) is None
    assert index_of(vectors, None, None).measured is None


def test_index_of_other_vectors_is_refused(many: VectorIndex) -> None:
    written = to_bytes(many)
    assert written is not None
    with pytest.raises(ValueError, match="the index holds 6000 vectors of 16"):
        index_of(many.vectors[:10], written.content, _columns(written.measured))
    with pytest.raises(ValueError, match="cannot be read"):
        index_of(many.vectors, b"no index at all", _columns(written.measured))


def _columns(measured: approximate.Measured) -> dict[str, object]:
    return {name: getattr(measured, name) for name in ("kind", "effort", "recall", "search_ms")}


def test_a_narrow_filter_does_not_empty_the_list() -> None:
    vectors = clustered(4000)
    items = ItemIndex.of(vectors)
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
