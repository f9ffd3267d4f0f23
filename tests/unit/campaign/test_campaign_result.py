"""The comparison: intervals that cover what they promise, and honest words."""

import math
import random

import pytest

from services.campaign.domain.result import (
    ArmFigures,
    Finding,
    compare,
    newcombe,
    sample_ratio_p,
    smallest_detectable,
    student_quantile,
    welch,
    wilson,
)


def figures(spends: list[int]) -> ArmFigures:
    buyers = sum(spend > 0 for spend in spends)
    return ArmFigures(len(spends), buyers, sum(spends), sum(spend * spend for spend in spends))


def shoppers(numbers: random.Random, people: int, mean: float, share: float) -> list[int]:
    """Spends as shops see them: many nothings, a long tail."""
    return [round(numbers.expovariate(1 / mean)) if numbers.random() < share else 0 for _ in range(people)]


def test_the_interval_of_spend_covers_the_true_effect_as_often_as_it_says() -> None:
    numbers, covered, runs = random.Random(20261122), 0, 1000
    truth = 5500 * 0.6 - 5000 * 0.6
    for _ in range(runs):
        treated = figures(shoppers(numbers, 300, 5500, 0.6))
        hold_out = figures(shoppers(numbers, 100, 5000, 0.6))
        difference = welch(treated, hold_out)
        covered += difference.low <= truth <= difference.high
    # 95 % within three standard errors of the simulation.
    assert 0.93 <= covered / runs <= 0.97


def test_the_interval_of_buyers_covers_the_true_effect_as_often_as_it_says() -> None:
    numbers, covered, runs = random.Random(7), 0, 1500
    for _ in range(runs):
        a = sum(numbers.random() < 0.35 for _ in range(240))
        b = sum(numbers.random() < 0.30 for _ in range(60))
        difference = newcombe(a, 240, b, 60)
        covered += difference.low <= 0.05 <= difference.high
    assert 0.93 <= covered / runs <= 0.975


def test_an_a_a_comparison_finds_something_in_one_of_twenty() -> None:
    numbers, found, runs = random.Random(3), 0, 600
    for _ in range(runs):
        arms = [figures(shoppers(numbers, people, 5000, 0.6)) for people in (300, 100)]
        compared = compare(*arms, holdout_share=0.25, smallest_effect_share=10, is_window_over=True)
        found += compared.finding in {Finding.MORE, Finding.LESS}
    assert 0.02 <= found / runs <= 0.08


def test_an_effect_of_the_smallest_detectable_size_is_found_in_four_of_five() -> None:
    numbers, found, runs = random.Random(9), 0, 400
    lift = smallest_detectable(1000, 300, 100)
    for _ in range(runs):
        treated = figures([round(numbers.gauss(5000 + lift, 1000)) for _ in range(300)])
        hold_out = figures([round(numbers.gauss(5000, 1000)) for _ in range(100)])
        found += welch(treated, hold_out).low > 0
    assert 0.74 <= found / runs <= 0.86


def test_the_quantile_of_student_is_that_of_the_tables() -> None:
    for freedom, expected in [(10, 2.228), (30, 2.042), (60, 2.000), (120, 1.980), (1e9, 1.960)]:
        assert student_quantile(freedom) == pytest.approx(expected, abs=0.001)


def test_newcombe_gives_the_published_example() -> None:
    # Newcombe (1998), table II, method 10: 56/70 against 48/80.
    difference = newcombe(56, 70, 48, 80)
    assert (round(difference.low, 4), round(difference.high, 4)) == (0.0524, 0.3339)


def test_wilson_stays_between_nobody_and_everybody() -> None:
    assert wilson(0, 20)[0] == pytest.approx(0, abs=1e-12)
    assert wilson(20, 20)[1] == pytest.approx(1, abs=1e-12)


def test_an_uneven_split_is_suspect_and_an_even_one_is_not() -> None:
    assert sample_ratio_p(2000, 10_000, 0.2) == 1.0
    assert sample_ratio_p(2090, 10_000, 0.2) > 0.01
    assert sample_ratio_p(2200, 10_000, 0.2) < 0.001
    assert sample_ratio_p(0, 10_000, 0.0) == 1.0
    assert sample_ratio_p(0, 0, 0.2) == 1.0


def constant(customers: int, spend: int, spread: int) -> ArmFigures:
    return figures([spend + (spread if n % 2 else -spread) for n in range(customers)])


def said(treated: ArmFigures, hold_out: ArmFigures, *, is_window_over: bool = True) -> Finding:
    return compare(
        treated, hold_out, holdout_share=0.5, smallest_effect_share=0.1, is_window_over=is_window_over
    ).finding


def test_each_case_has_its_word() -> None:
    assert said(constant(200, 1200, 50), constant(200, 1000, 50)) is Finding.MORE
    assert said(constant(200, 900, 50), constant(200, 1000, 50)) is Finding.LESS
    assert said(constant(200, 1000, 50), constant(200, 1000, 50)) is Finding.NO_DIFFERENCE_SHOWN
    assert said(constant(200, 1000, 900), constant(200, 1000, 900)) is Finding.NOT_ENOUGH_YET
    assert said(constant(29, 2000, 50), constant(200, 1000, 50)) is Finding.NOT_ENOUGH_YET
    still_open = said(constant(200, 1200, 50), constant(200, 1000, 50), is_window_over=False)
    assert still_open is Finding.NOT_ENOUGH_YET


def test_without_a_hold_out_there_is_no_interval_and_no_finding() -> None:
    nobody = ArmFigures(0, 0, 0, 0)
    compared = compare(
        constant(100, 1000, 10), nobody, holdout_share=0.0, smallest_effect_share=0.1, is_window_over=True
    )
    assert compared.finding is Finding.NOT_ENOUGH_YET
    assert compared.spend.high == math.inf
    assert (compared.buyers.low, compared.buyers.high) == (-1.0, 1.0)


def test_the_incremental_total_is_the_difference_times_the_treated() -> None:
    compared = compare(
        constant(200, 1200, 50),
        constant(100, 1000, 50),
        holdout_share=1 / 3,
        smallest_effect_share=0.1,
        is_window_over=True,
    )
    assert compared.incremental_minor.value == pytest.approx(200 * 200)
    assert compared.incremental_minor.low == pytest.approx(compared.spend.low * 200)


def test_exact_sums_keep_the_variance_of_large_amounts() -> None:
    assert figures([10**12, 10**12 + 2]).variance == 2.0
