"""What figures prove: nothing where there is nothing, and the right share of false alarms over many A/A runs."""

import math
from collections.abc import Iterable

import numpy as np
import pytest

from services.recommend.domain.outcomes import FIGURES, Outcome, Sums, Tally
from services.recommend.domain.significance import (
    always_valid,
    difference,
    preference,
    ratio,
    ratio_check,
)

RUNS = 600
PEOPLE = 300


def sums_of(pairs: Iterable[tuple[float, float]]) -> Sums:
    sums = Sums()
    for x, y in pairs:
        sums.add(x, y)
    return sums


def drawn(draw: np.random.Generator, rate: float, people: int = PEOPLE) -> list[tuple[float, float]]:
    """Clicks and lists of people who differ: some see many lists, some click much."""
    lists = draw.integers(1, 12, people)
    clicks = draw.binomial(lists, np.clip(draw.beta(2, 2 / rate - 2, people), 0, 1))
    return list(zip(clicks.tolist(), lists.tolist(), strict=True))


def test_a_ratio_is_the_sum_over_the_sum_not_a_mean_of_ratios() -> None:
    found = ratio(sums_of([(1, 1), (0, 9)]), 2)
    assert found is not None
    assert found.value == pytest.approx(0.1)
    assert found.low < 0.1 < found.high


def test_nothing_counted_has_no_figure() -> None:
    assert ratio(Sums(), 0) is None
    assert ratio(sums_of([(1, 1)]), 1) is None
    assert ratio(sums_of([(0, 0), (0, 0)]), 2) is None
    assert difference((Sums(), 0), (sums_of([(1, 1), (0, 1)]), 2)) is None


def test_the_delta_method_agrees_with_a_bootstrap_over_people() -> None:
    draw = np.random.default_rng(3)
    pairs = np.array(drawn(draw, 0.2, 2000))
    chosen = draw.integers(0, len(pairs), (1000, len(pairs)))
    spread = np.std(pairs[chosen, 0].sum(axis=1) / pairs[chosen, 1].sum(axis=1))
    found = ratio(sums_of(map(tuple, pairs.tolist())), len(pairs))
    assert found is not None
    assert (found.high - found.low) / 2 / 1.96 == pytest.approx(spread, rel=0.07)


def test_lists_of_one_person_are_not_taken_for_independent() -> None:
    """Ten equal lists of a person prove no more than one."""
    one = ratio(sums_of([(n % 2, 1) for n in range(100)]), 100)
    ten = ratio(sums_of([(10 * (n % 2), 10) for n in range(100)]), 100)
    assert one is not None
    assert ten is not None
    assert ten.high - ten.low == pytest.approx(one.high - one.low)


def test_a_a_experiments_raise_five_false_alarms_in_a_hundred() -> None:
    draw = np.random.default_rng(11)
    alarms = 0
    for _ in range(RUNS):
        halves = [(sums_of(drawn(draw, 0.15)), PEOPLE) for _ in range(2)]
        found = difference(halves[0], halves[1])
        assert found is not None
        assert found.is_proven == (found.p_value < 0.05) or found.p_value == pytest.approx(0.05, abs=1e-6)
        alarms += found.is_proven
    assert 0.032 < alarms / RUNS < 0.07


def test_a_true_difference_lies_in_its_interval_95_times_in_a_hundred() -> None:
    draw = np.random.default_rng(12)
    inside = 0
    for _ in range(RUNS):
        found = difference((sums_of(drawn(draw, 0.1)), PEOPLE), (sums_of(drawn(draw, 0.16)), PEOPLE))
        assert found is not None
        inside += found.low <= 0.06 <= found.high
    assert 0.925 < inside / RUNS < 0.975


def test_looking_every_day_finds_what_is_not_there_unless_the_interval_allows_for_it() -> None:
    draw = np.random.default_rng(13)
    fixed = always = 0
    for _ in range(200):
        tallies = Sums(), Sums()
        seen = [False, False]
        for day in range(1, 31):
            for sums in tallies:
                for x, y in drawn(draw, 0.15, 40):
                    sums.add(x, y)
            found = difference((tallies[0], 40 * day), (tallies[1], 40 * day))
            assert found is not None
            seen = [seen[0] or found.is_proven, seen[1] or found.is_proven_always]
        fixed, always = fixed + seen[0], always + seen[1]
    assert fixed / 200 > 0.15
    assert always / 200 <= 0.05


def test_the_interval_for_every_day_is_wider_but_comes_as_close_as_one_likes() -> None:
    errors = {people: 1 / math.sqrt(people) for people in (50, 1000, 100_000)}
    widths = {people: always_valid(error, people) / error for people, error in errors.items()}
    assert all(width > 1.96 for width in widths.values())
    assert widths[1000] < min(widths[50], widths[100_000])
    assert always_valid(errors[100_000], 100_000) < 0.02
    assert always_valid(1.0, 0) == math.inf


def test_a_fair_split_passes_and_a_lost_tenth_of_one_variant_does_not() -> None:
    shares = {"a": 0.5, "b": 0.5}
    assert not ratio_check(shares, {"a": 5030, "b": 4970}).is_alarming
    assert ratio_check(shares, {"a": 5000, "b": 4500}).is_alarming
    assert ratio_check({"a": 0.75, "b": 0.25}, {"a": 750, "b": 250}).p_value == pytest.approx(1.0)
    assert ratio_check(shares, {}).p_value == 1.0


def test_the_ratio_check_cries_wolf_once_in_a_thousand() -> None:
    draw = np.random.default_rng(14)
    found = draw.binomial(2000, 0.5, 5000).tolist()
    alarms = sum(ratio_check({"a": 0.5, "b": 0.5}, {"a": a, "b": 2000 - a}).is_alarming for a in found)
    assert alarms <= 12


def test_a_preference_is_tested_by_its_sign() -> None:
    assert preference(0, 0, 10) is None
    even, clear = preference(10, 10, 5), preference(40, 10, 0)
    assert even is not None
    assert clear is not None
    assert (even.share, even.p_value) == (0.5, 1.0)
    assert clear.share == 0.8
    assert clear.p_value < 0.001
    assert clear.low > 0.5
    one = preference(5, 0, 0)
    assert one is not None
    assert one.p_value == pytest.approx(2 * 0.5**5)


def test_people_without_a_preference_raise_no_alarm() -> None:
    draw = np.random.default_rng(15)
    alarms = 0
    for _ in range(RUNS):
        wins = int(draw.binomial(PEOPLE, 0.5))
        found = preference(wins, PEOPLE - wins, 0)
        assert found is not None
        alarms += found.p_value < 0.05
    assert alarms / RUNS < 0.06


def test_a_tally_adds_people_up_and_comes_back_from_json_as_it_was() -> None:
    tally = Tally()
    tally.add(Outcome(lists=4, clicked_lists=1, attributed=2, took_ms=20.0, timed_lists=4, won=2, lost=1))
    tally.add(Outcome(lists=1, empty_lists=1, lost=3))
    tally.add(Outcome(lists=2))
    assert (tally.people, tally.wins, tally.losses, tally.ties) == (3, 1, 1, 1)
    assert (tally.sums["click_through"].x, tally.sums["click_through"].y) == (1, 7)
    assert (tally.sums["attributed_buyers"].x, tally.sums["attributed_buyers"].y) == (1, 3)
    assert Tally.of_json(tally.to_json()) == tally


def test_a_figure_that_an_old_result_does_not_have_is_empty() -> None:
    raw = Tally().to_json()
    del raw["sums"]["latency_ms"]
    assert set(Tally.of_json(raw).sums) == set(FIGURES)
