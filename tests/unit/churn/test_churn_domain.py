import numpy as np
import pytest

from services.churn.domain import (
    LEVEL_RULES,
    Level,
    State,
    expected_weeks,
    next_level,
    state_of,
    to_warn,
    top_shares,
    urgency,
    value_at_risk_minor,
    value_tiers,
)


@pytest.mark.parametrize(
    ("share", "probability", "level"),
    [
        (0.005, 0.9, Level.CRITICAL),
        (0.02, 0.9, Level.HIGH),
        (0.04, 0.9, Level.ELEVATED),
        (0.09, 0.9, Level.WATCH),
        (0.11, 0.9, Level.NONE),
        (0.005, 0.35, Level.ELEVATED),
        (0.005, 0.1, Level.NONE),
    ],
)
def test_a_level_is_entered_by_rank_and_probability(share: float, probability: float, level: Level) -> None:
    assert next_level(Level.NONE, share, probability) is level


def test_a_level_once_entered_is_held_until_the_leaving_bound() -> None:
    assert next_level(Level.WATCH, 0.19, 0.25) is Level.WATCH
    assert next_level(Level.WATCH, 0.21, 0.25) is Level.NONE


def test_a_held_level_does_not_need_its_probability_again() -> None:
    assert next_level(Level.HIGH, 0.03, 0.3) is Level.HIGH


def test_leaving_a_high_level_falls_to_the_next_one_held() -> None:
    assert next_level(Level.CRITICAL, 0.04, 0.6) is Level.HIGH
    assert next_level(Level.CRITICAL, 0.15, 0.6) is Level.WATCH


def test_a_rank_that_wanders_around_a_bound_changes_the_level_once() -> None:
    level, seen = Level.NONE, []
    for share in (0.12, 0.09, 0.11, 0.095, 0.14, 0.105, 0.18):
        level = next_level(level, share, 0.25)
        seen.append(level)
    assert seen == [Level.NONE] + [Level.WATCH] * 6


def test_every_level_is_left_later_than_it_is_entered() -> None:
    assert all(rule.enter_share < rule.leave_share for rule in LEVEL_RULES)
    assert [rule.level for rule in LEVEL_RULES] == sorted(Level, reverse=True)[:-1]


@pytest.mark.parametrize(
    ("visits", "known_days", "left", "level", "state"),
    [
        (3, 300, 10.0, Level.HIGH, State.INSUFFICIENT_HISTORY),
        (9, 20, 10.0, Level.HIGH, State.INSUFFICIENT_HISTORY),
        (9, 300, -1.0, Level.HIGH, State.ALREADY_LOST),
        (9, 300, 0.0, Level.WATCH, State.AT_RISK),
        (9, 300, 10.0, Level.NONE, State.ACTIVE),
    ],
)
def test_states(visits: int, known_days: int, left: float, level: Level, state: State) -> None:
    assert state_of(visits, known_days, left, level) is state


def test_the_expected_weeks_are_the_middle_half_of_the_loss() -> None:
    even = np.arange(1, 13) / 24  # half are lost, evenly over twelve weeks
    assert expected_weeks(even) == (3, 9)
    sudden = np.array([0.0] * 4 + [0.4] * 8)
    assert expected_weeks(sudden) == (5, 5)


def test_money_at_risk_is_eight_weeks_of_the_own_pace_times_the_probability() -> None:
    money = value_at_risk_minor(np.array([112_00.0, 0.0, np.nan]), np.array([0.25, 0.9, np.nan]))
    assert money.tolist() == [14_00, 0, 0]
    assert money.dtype == np.int64


def test_value_tiers_are_equal_in_size_and_keep_equal_spend_together() -> None:
    assert value_tiers(np.array([1.0, 5, 3, 2, 4, 6])).tolist() == [0, 2, 1, 0, 1, 2]
    assert len(set(value_tiers(np.full(9, 7.0)).tolist())) == 1
    assert value_tiers(np.array([])).tolist() == []


def test_ranks_are_taken_within_each_tier() -> None:
    shares = top_shares(np.array([0.9, 0.1, 0.2, 0.8]), np.array([0, 0, 1, 1]))
    assert shares.tolist() == [0.5, 1.0, 1.0, 0.5]


def test_urgency_weighs_risk_with_the_root_of_the_value() -> None:
    assert urgency(np.array([0.5, 0.5]), np.array([100.0, 400.0])).tolist() == [5.0, 10.0]


def test_warnings_go_to_the_highest_allowed_and_no_more_than_the_capacity() -> None:
    score = np.array([0.9, 0.8, 0.7, np.nan, 0.6])
    allowed = np.array([False, True, True, False, True])
    assert to_warn(score, allowed, 2).tolist() == [1, 2]
    assert to_warn(score, np.zeros(5, dtype=np.bool_), 2).tolist() == []
