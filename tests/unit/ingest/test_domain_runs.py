"""Runs of numbers: what came, and what lies between."""

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.runs import RUNS_MAX, Runs, gaps_between, merged, size, with_number


def after(numbers: list[int]) -> Runs:
    runs: Runs = ()
    for number in numbers:
        runs = with_number(runs, number)
    return runs


def test_a_till_that_counts_up_is_one_run() -> None:
    assert after([5, 6, 7]) == ((5, 7),)
    assert gaps_between(after([5, 6, 7])) == ()


def test_what_comes_late_closes_its_gap() -> None:
    assert gaps_between(after([1, 5])) == ((2, 4),)
    assert after([1, 5, 3]) == ((1, 1), (3, 3), (5, 5))
    assert after([1, 5, 3, 2, 4]) == ((1, 5),)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=80))
def test_runs_are_the_numbers_themselves_in_any_order_and_however_often(numbers: list[int]) -> None:
    runs = after(numbers)
    held = {number for first, last in runs for number in range(first, last + 1)}
    assert held == set(numbers)
    assert size(runs) == len(held)
    missing = {number for first, last in gaps_between(runs) for number in range(first, last + 1)}
    assert missing == set(range(min(held), max(held) + 1)) - held
    assert merged(runs) == runs == after(sorted(numbers))


def test_a_till_that_counts_in_no_order_is_followed_so_far_and_no_further() -> None:
    runs = after(list(range(0, 2 * RUNS_MAX + 20, 2)))
    assert len(runs) == RUNS_MAX
    assert with_number(runs, 1)[0] == (0, 2)
