"""Numbers that came, as unbroken runs: what lies between two runs has not been seen yet."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

Run = tuple[int, int]
"""First and last number, both there."""
Runs = tuple[Run, ...]

RUNS_MAX = 1000
"""Told apart in one terminal's day; a till with more counts in no order, and its further numbers are not kept."""


def with_number(runs: Runs, number: int) -> Runs:
    """Return the runs with one number more; unchanged where it would be one run too many."""
    grown = merged((*runs, (number, number)))
    return grown if len(grown) <= RUNS_MAX else runs


def merged(runs: Iterable[Run]) -> Runs:
    """Return runs in order, each as long as it goes; neighbours are one."""
    whole: list[Run] = []
    for first, last in sorted(runs):
        if whole and first <= whole[-1][1] + 1:
            whole[-1] = whole[-1][0], max(whole[-1][1], last)
        else:
            whole.append((first, last))
    return tuple(whole)


def gaps_between(runs: Runs) -> Runs:
    """Return the numbers that are missing between the first and the last."""
    return tuple((before[1] + 1, after[0] - 1) for before, after in pairwise(runs))


def size(runs: Sequence[Run]) -> int:
    """Return how many numbers the runs hold."""
    return sum(last - first + 1 for first, last in runs)
