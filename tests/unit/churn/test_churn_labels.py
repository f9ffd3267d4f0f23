import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.churn import labels
from tests.unit.churn.conftest import visits_on

LIMIT = 28.0


def _until(days: list[int], day: int, end: int = 365, limit: float = LIMIT) -> int:
    return int(labels.days_until_certain(visits_on([days]), day, np.array([limit]), end)[0])


def test_lapse_is_no_visit_in_the_four_weeks_from_the_day_itself() -> None:
    visits = visits_on([[99], [99, 100], [99, 127], [99, 128]])
    assert labels.lapse_labels(visits, 100).tolist() == [True, False, False, True]


def test_partial_loss_is_less_than_half_of_the_own_pace() -> None:
    before = list(range(0, 112, 7))
    visits = visits_on([[*before, *range(112, 168, 7)], [*before, *range(112, 168, 14)], [*before, 112, 119, 126]])
    # 8, 4 and 3 visits of equal value where the pace promises 8: half is not yet less than half.
    assert labels.partial_labels(visits, 112).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("p90", "gaps", "limit"), [(5, 20, 14), (10, 20, 20), (30, 20, 42), (10, 7, 28), (10, 8, 20)]
)
def test_own_limit_is_twice_the_long_gap_within_bounds(p90: float, gaps: float, limit: float) -> None:
    assert labels.own_limit_days(np.array([p90]), np.array([gaps])).tolist() == [limit]


def test_a_loss_is_certain_on_the_first_day_longer_than_the_limit() -> None:
    assert _until([90], 100) == 90 + 29 - 100


def test_a_visit_on_the_last_day_of_the_limit_saves_the_customer() -> None:
    assert _until([90, 118, 146], 100, end=150) == labels.NEVER


def test_the_earliest_of_several_losses_counts() -> None:
    assert _until([90, 110, 160, 300], 100) == 110 + 29 - 100


def test_a_silence_already_beyond_the_limit_is_not_in_the_future() -> None:
    assert _until([50], 100) <= 0


def test_an_unfinished_silence_is_not_a_loss() -> None:
    assert _until([90], 100, end=118) == labels.NEVER
    assert _until([90], 100, end=119) == 19


def test_a_customer_never_seen_before_the_day_is_never_lost() -> None:
    assert _until([120], 100) == labels.NEVER


def test_every_loss_is_listed() -> None:
    owner, certain = labels.certain_days(visits_on([[90, 150], [95]]), 100, np.array([28.0, 28.0]), 200)
    assert list(zip(owner.tolist(), certain.tolist(), strict=True)) == [(0, 119), (0, 179), (1, 124)]


def test_early_means_between_two_and_eight_weeks() -> None:
    assert labels.early_labels(np.array([13, 14, 56, 57])).tolist() == [False, True, True, False]


def test_populations() -> None:
    assert labels.active(np.array([28.0, 29.0, np.nan]), 28).tolist() == [True, False, False]
    assert labels.regular(np.array([3.0, 4.0, np.nan])).tolist() == [False, True, False]
    assert labels.healthy(np.array([4.0, 4.0]), np.array([0.8, 0.7])).tolist() == [True, False]
    assert labels.on_rhythm(np.array([8, 7, 8]), np.array([5.0, 5, 6]), np.array([5.0, 5, 5])).tolist() == [
        True,
        False,
        False,
    ]


@given(st.sets(st.integers(0, 150), min_size=1), st.integers(1, 150), st.integers(14, 42))
def test_the_vectorised_rule_agrees_with_walking_day_by_day(days: set[int], day: int, limit: int) -> None:
    ordered, end = sorted(days), 160
    assert _until(ordered, day, end, float(limit)) == _walked(ordered, day, end, limit)


def _walked(days: list[int], day: int, end: int, limit: int) -> int:
    """The rule told plainly: at the start of each day, how long has it been since the last visit?"""
    past = [one for one in days if one < day]
    if not past:
        return labels.NEVER
    for today in range(past[-1] + 1, end + 1):
        if today - max(one for one in days if one < today) > limit:
            return today - day
    return labels.NEVER
