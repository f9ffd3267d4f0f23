from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from services.churn import rule
from services.churn.handlers.requests import last_ended_day, today
from services.churn.handlers.standing import unscored
from services.churn.schemas import language_of

TODAY = date(2026, 3, 29)
ONE = UUID(int=1)


def _days(gap: int, count: int, last: date = TODAY) -> list[date]:
    return [last - timedelta(days=gap * back) for back in range(count)][::-1]


def test_who_never_came_has_insufficient_history() -> None:
    found = unscored(ONE, [], TODAY)
    assert (found.state, found.level, found.silence_days, found.usual_gap_days) == (
        "insufficient_history",
        0,
        None,
        None,
    )
    assert found.model_version == rule.VERSION
    assert len(found.lost_by_week) == 12


@pytest.mark.parametrize("days", [_days(14, 3), _days(7, 4)])
def test_few_visits_or_few_weeks_are_insufficient_history(days: list[date]) -> None:
    assert unscored(ONE, days, TODAY).state == "insufficient_history"


def test_a_regular_customer_is_active_and_a_silent_one_lost() -> None:
    assert unscored(ONE, _days(7, 8), TODAY).state == "active"
    assert unscored(ONE, _days(7, 8, TODAY - timedelta(days=29)), TODAY).state == "already_lost"


def test_silence_and_gap_are_in_days() -> None:
    found = unscored(ONE, _days(7, 8, TODAY - timedelta(days=3)), TODAY)
    assert (found.silence_days, found.usual_gap_days, found.as_of) == (3, 7.0, TODAY)


def test_the_day_is_that_of_the_chains_zone() -> None:
    now = datetime(2026, 3, 29, 2, 0, tzinfo=UTC)
    assert today(now, "America/New_York") == date(2026, 3, 28)
    assert last_ended_day(now, "America/New_York") == date(2026, 3, 27)
    assert last_ended_day(now, "Asia/Shanghai") == date(2026, 3, 28)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,zh;q=0.5", "en"),
        ("de,zh;q=0.4", "zh"),
        ("zh;q=0.1,en", "en"),
        ("fr;q=x", "en"),
        ("*", "en"),
    ],
)
def test_the_language_is_the_first_of_ours_that_is_asked_for(header: str | None, language: str) -> None:
    assert language_of(header) == language
