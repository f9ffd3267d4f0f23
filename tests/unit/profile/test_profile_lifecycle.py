"""Stages of life: silence against the own rhythm, and the moment when the stage must be looked at again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.profile.domain.lifecycle import Life, life_of, limits_of
from services.profile.domain.purchases import Visit

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def visit(days_ago: float) -> Visit:
    at = NOW - timedelta(days=days_ago)
    return Visit(at, at.date(), "S1", 0, used_coupon=False)


def life(*days_ago: float, first: float | None = None, now: datetime = NOW) -> Life:
    """The life of somebody who came so many days ago; `first`: when a visit beyond those looked at was."""
    visits = [visit(days) for days in sorted(days_ago, reverse=True)]
    earliest = max((*days_ago, *([first] if first is not None else [])), default=None)
    first_at = None if earliest is None else NOW - timedelta(days=earliest)
    return life_of(visits, first_at, now)


@pytest.mark.parametrize(
    ("days_ago", "stage"),
    [
        ((), "prospect"),
        ((0,), "new"),
        ((29,), "new"),
        ((1, 31), "active"),
        ((1, 8, 15, 22, 29, 36), "active"),
        (tuple(range(1, 100, 7)), "loyal"),
        (tuple(range(22, 130, 7)), "slipping"),
        (tuple(range(61, 160, 7)), "lost"),
        ((61,), "slipping"),
        ((121,), "lost"),
        ((1, 200), "returned"),
        ((25, 200, 230, 260), "returned"),
        ((32, 35, 38, 41, 200), "slipping"),
        ((1, 4, 8, 12, 33, 40, 45, 250), "active"),
    ],
)
def test_stages(days_ago: tuple[float, ...], stage: str) -> None:
    assert life(*days_ago).stage == stage


def test_a_weekly_shopper_is_missed_sooner_than_a_monthly_one() -> None:
    weekly, monthly = limits_of(7), limits_of(30)
    assert (weekly.slipping.days, weekly.lost.days) == (21, 60)
    assert (monthly.slipping.days, monthly.lost.days) == (60, 120)


def test_limits_stay_within_bounds() -> None:
    assert (limits_of(200).slipping.days, limits_of(200).lost.days) == (120, 365)
    assert limits_of(None) == limits_of(30)


def test_two_receipts_of_one_day_are_one_visit() -> None:
    many = [visit(days + hour / 24) for days in range(100, 0, -25) for hour in (2, 1, 0)]
    assert life_of(many, many[0].at, NOW).stage == "active"


def test_an_old_customer_with_few_visits_looked_at_is_no_new_one() -> None:
    assert life(1, 3, 5, first=400).stage == "active"


def test_a_review_is_due_when_silence_turns_into_slipping() -> None:
    assert life(*range(1, 50, 7)).review_at == NOW - timedelta(days=1) + timedelta(days=21)


def test_who_is_lost_needs_no_review() -> None:
    assert life(*range(100, 300, 7)).review_at is None
    assert life().review_at is None


@given(st.lists(st.floats(0, 500), min_size=1, max_size=25), st.floats(0, 600))
def test_the_stage_never_turns_before_its_review(days_ago: list[float], later: float) -> None:
    found = life(*days_ago)
    moment = NOW + timedelta(days=later)
    if found.review_at is None or moment < found.review_at:
        assert life(*days_ago, now=moment).stage == found.stage
    else:
        assert found.review_at > NOW
