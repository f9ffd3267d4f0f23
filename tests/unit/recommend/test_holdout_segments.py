"""Figures by how much customers buy: thirds by baskets so far, each customer in one."""

from hypothesis import given
from hypothesis import strategies as st

from services.recommend.training.holdout import GATE_METRIC, SEGMENTS, Held
from services.recommend.training.spending import Spending


def held(baskets: list[int], values: list[float]) -> Held:
    return Held({GATE_METRIC: values}, baskets)


def test_the_heaviest_third_has_its_own_figure() -> None:
    found = held([9, 1, 5, 8, 2, 4], [1.0, 0.0, 0.5, 1.0, 0.0, 0.5]).segments()
    assert {name: figures[GATE_METRIC].value for name, figures in found.items()} == {
        "light": 0.0,
        "middle": 0.5,
        "heavy": 1.0,
    }


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1)), max_size=30))
def test_thirds_hold_everybody_once_and_intervals_hold_their_figures(people: list[tuple[int, float]]) -> None:
    found = held([baskets for baskets, _ in people], [value for _, value in people]).segments()
    assert list(found) == list(SEGMENTS[: min(len(people), len(SEGMENTS))])
    for figures in found.values():
        metric = figures[GATE_METRIC]
        assert metric.low - 1e-9 <= metric.value <= metric.high + 1e-9


def test_what_a_training_cost_only_grows() -> None:
    spent = Spending()
    before = spent.so_far()
    _ = sum(number * number for number in range(200_000))
    after = spent.so_far()
    assert all(after[name] >= before[name] for name in before)
    assert 20 < after["peak_memory_mb"] < 1_000_000
