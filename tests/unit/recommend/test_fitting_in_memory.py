"""What training keeps in memory: rows once, and no copy of a table for the trees."""

import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommend.history import Matrix
from services.recommend.ranking.features import FEATURE_NAMES, STORE_NAMES
from services.recommend.ranking.ranker import Examples, fit
from services.recommend.training.examples import Rows, joined, stacked

WIDTH = len(FEATURE_NAMES) + len(STORE_NAMES)
ROUNDS = 5


def rows_of(sizes: list[int], seed: int) -> Rows:
    draw = np.random.default_rng(seed)
    count = sum(sizes)
    return Rows(
        features=draw.normal(size=(count, WIDTH)).astype(np.float32),
        bought=draw.random(count) < 0.2,
        values=draw.random(count).astype(np.float32),
        gains=draw.random(count).astype(np.float32),
        kept=draw.random(count).astype(np.float32),
        sizes=np.array(sizes, np.int64),
    )


def table(count: int, width: int) -> Matrix:
    return np.random.default_rng(3).normal(size=(count, width)).astype(np.float32)


def examples_of(features: Matrix) -> Examples:
    labels = (features[:, 0] + 0.3 * features[:, 1] > 0.5).astype(np.float32)
    return Examples(features, labels, np.ones(labels.size, np.float32))


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(1, 5), max_size=3), min_size=1, max_size=5))
def test_stacked_parts_are_the_joined_ones_in_order(sizes: list[list[int]]) -> None:
    parts = [rows_of(each, number) for number, each in enumerate(sizes)]
    wanted = joined(parts)
    found = stacked(parts)
    assert parts == []
    for name in Rows.__dataclass_fields__:
        assert np.array_equal(getattr(found, name), getattr(wanted, name))
        assert getattr(found, name).dtype == getattr(wanted, name).dtype


def test_no_part_is_kept_beside_what_it_was_copied_into() -> None:
    parts = [rows_of([100], number) for number in range(6)]
    kept = [weakref.ref(part.features) for part in parts]
    found = stacked(parts)
    assert [part() for part in kept] == [None] * 6
    assert found.features.shape == (600, WIDTH)


@pytest.mark.parametrize("looked_at", [50_000, 400])
def test_first_columns_of_a_wider_table_give_the_trees_of_a_table_of_their_own(looked_at: int) -> None:
    wide = table(3000, 12)
    own = fit(examples_of(np.ascontiguousarray(wide[:, :7])), ROUNDS, bin_construct_sample_cnt=looked_at)
    shared = fit(examples_of(wide[:, :7]), ROUNDS, bin_construct_sample_cnt=looked_at)
    if looked_at >= wide.shape[0]:
        assert shared.to_text() == own.to_text()
    unseen = table(500, 7)
    assert np.corrcoef(shared.score(unseen), own.score(unseen))[0, 1] > 0.98


def test_names_of_columns_stay_with_the_trees() -> None:
    wide = table(2000, 6)
    found = examples_of(wide[:, :3])
    named = Examples(found.features, found.labels, found.weights, ("one", "two", "three"))
    assert set(fit(named, ROUNDS).gains()) == {"one", "two", "three"}
