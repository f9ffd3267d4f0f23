"""How good lists were: against the next basket, among themselves, and when a fall is told."""

import math
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from services.recommend.domain.quality import (
    Assorted,
    Day,
    Judged,
    alerts_of,
    diversity,
    figures_of,
    grouped,
    ndcg,
    novelty,
    t_quantile,
)

TODAY = date(2026, 11, 22)
NOTHING = Assorted({}, {}, 0)
products = st.lists(st.sampled_from([f"p{n}" for n in range(20)]), unique=True, max_size=12)


def test_a_perfect_list_has_ndcg_1_and_a_list_beside_it_0() -> None:
    assert ndcg(["a", "b", "c"], {"a", "b", "c"}) == pytest.approx(1.0)
    assert ndcg(["x"], {"a"}) == 0.0
    assert ndcg(["x", "a"], {"a"}) == pytest.approx(1 / math.log2(3))
    assert ndcg(["a"], ()) == 0.0


@given(products, st.sets(st.sampled_from([f"p{n}" for n in range(20)]), max_size=15))
def test_ndcg_lies_between_0_and_1_and_never_falls_when_a_hit_moves_up(shown: list[str], basket: set[str]) -> None:
    found = ndcg(shown, basket)
    assert 0 <= found <= 1 + 1e-12
    assert ndcg(sorted(shown, key=lambda each: each not in basket), basket) >= found - 1e-12


def test_figures_say_what_was_bought_of_what_was_shown() -> None:
    lists = [
        Judged(["a", "b"], 0, frozenset({"b"}), was_clicked=True, took_ms=5.0, shelf_age_s=10.0),
        Judged(["a", "c"], 1, frozenset({"z"}), took_ms=15.0, shelf_age_s=30.0),
        Judged(["d"], 0),
        Judged([], 2),
    ]
    found = figures_of(lists, Assorted({"a": "milk", "b": "milk", "c": "tea"}, {"a": 0.5, "b": 0.25}, 8))
    assert (found["lists"], found["judged"], found["hit_rate"]) == (4, 2, 0.5)
    assert found["click_through"] == 0.25
    assert found["coverage"] == pytest.approx(4 / 8)
    assert (found["fallback_share"], found["empty_share"], found["shelf_age_s"]) == (0.5, 0.25, 20.0)
    assert found["diversity"] == pytest.approx(0.5)
    assert found["latency_p50_ms"] == pytest.approx(10.0)
    assert "model_age_days" not in found


def test_what_nothing_is_known_of_is_left_out() -> None:
    found = figures_of([Judged(["a"], 0)], NOTHING)
    assert found.keys().isdisjoint({"hit_rate", "ndcg@10_min", "coverage", "novelty_bits", "latency_p95_ms"})
    assert figures_of([], NOTHING)["lists"] == 0


def test_rare_products_are_news_and_products_of_one_type_are_no_variety() -> None:
    shares = {"common": 0.5, "rare": 0.01}
    common, rare, never = (novelty([name], shares) for name in ("common", "rare", "never sold"))
    assert common == 1.0
    assert common < (rare or 0) < (never or 0)
    assert novelty([], shares) is None
    assert diversity(["a", "b"], {"a": "milk", "b": "milk"}) == 0.0
    assert diversity(["a", "b"], {}) == 1.0
    assert diversity(["a"], {}) is None


def test_customers_are_grouped_by_how_much_is_known_of_them() -> None:
    receipts = [None, 0, 4, 5, 10, 100]
    found = grouped([Judged([str(each)], 0, receipts_before=each) for each in receipts])
    assert {name: [each.receipts_before for each in part] for name, part in found.items()} == {
        "all": receipts,
        "anonymous": [None],
        "new": [0, 4],
        "light": [5],
        "heavy": [10, 100],
    }


def history(values: list[float], figure: str = "hit_rate", *, is_final: bool = True) -> list[Day]:
    """Days that end yesterday."""
    first = TODAY - timedelta(days=len(values))
    return [Day(first + timedelta(days=n), {figure: value}, is_final) for n, value in enumerate(values)]


def test_a_fall_by_a_tenth_is_told_with_its_size() -> None:
    draw = np.random.default_rng(1)
    usual, fallen = draw.normal(0.6, 0.01, 28), draw.normal(0.54, 0.01, 7)
    (alert,) = alerts_of(history([*usual.tolist(), *fallen.tolist()]), TODAY)
    assert alert.figure == "hit_rate"
    assert alert.low < alert.change < alert.high < 0
    assert alert.change == pytest.approx(-0.06, abs=0.01)


def test_a_rise_of_what_should_be_high_is_no_alarm_and_of_what_should_be_low_is() -> None:
    draw = np.random.default_rng(2)
    values = [*draw.normal(10, 0.3, 28).tolist(), *draw.normal(14, 0.3, 7).tolist()]
    assert alerts_of(history(values, "click_through"), TODAY) == []
    assert [each.figure for each in alerts_of(history(values, "latency_p95_ms"), TODAY)] == ["latency_p95_ms"]


def test_quiet_weeks_raise_less_than_one_alarm_in_two_hundred() -> None:
    draw = np.random.default_rng(3)
    alarms = sum(bool(alerts_of(history(draw.normal(0.3, 0.03, 35).tolist()), TODAY)) for _ in range(1000))
    assert alarms < 5


def test_a_certain_change_too_small_to_matter_is_not_told() -> None:
    steady = [0.6 + 0.0001 * (n % 3) for n in range(28)] + [0.59 + 0.0001 * (n % 3) for n in range(7)]
    assert alerts_of(history(steady), TODAY) == []


def test_too_few_days_say_nothing() -> None:
    assert alerts_of([], TODAY) == []
    assert alerts_of(history([0.6] * 10 + [0.1] * 7), TODAY) == []


def test_days_whose_next_baskets_may_still_come_are_not_taken_for_a_fall() -> None:
    usual = [0.6 + 0.01 * (n % 3) for n in range(35)]
    ripe = history(usual)
    unripe = [Day(each.day, {"hit_rate": 0.1}, is_final=False) for each in ripe[-7:]]
    assert alerts_of([*ripe[:-7], *unripe], TODAY) == []


def test_today_is_not_over_and_does_not_count() -> None:
    usual = history([0.6 + 0.01 * (n % 3) for n in range(35)])
    assert alerts_of([*usual, Day(TODAY, {"hit_rate": 0.0})], TODAY) == []


@given(st.floats(4, 200))
def test_quantiles_of_students_distribution_are_close_to_exact_ones(freedom: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(float(stdtrit(freedom, 0.975)), rel=0.01)
    assert t_quantile(0.9995, freedom) == pytest.approx(float(stdtrit(freedom, 0.9995)), rel=0.12)
