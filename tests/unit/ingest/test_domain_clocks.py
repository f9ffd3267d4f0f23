"""How wrong a clock is, told from several exchanges."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.clocks import (
    CORRECTED_MINUTES_MAX,
    EXCHANGES_MAX,
    EXCHANGES_MIN,
    Clock,
    ClockReading,
    exchange_of,
    observed,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FORTY = 40 * 60


def reading(ago: timedelta, sent: timedelta | None = None) -> ClockReading:
    return ClockReading(("S01", "T3"), NOW - ago, None if sent is None else NOW - sent)


def test_a_receipt_sent_at_once_is_an_exchange() -> None:
    assert exchange_of([reading(timedelta(seconds=3))], NOW) == 3
    assert exchange_of([reading(timedelta(minutes=40)), reading(timedelta(minutes=39))], NOW) == 39 * 60


def test_what_was_saved_up_or_is_old_is_no_exchange() -> None:
    assert exchange_of([reading(timedelta(minutes=n)) for n in range(4)], NOW) is None
    assert exchange_of([reading(timedelta(hours=4))], NOW) is None


def test_a_time_of_sending_tells_of_a_backlog_too() -> None:
    backlog = [reading(timedelta(days=n), sent=timedelta(seconds=2)) for n in range(9)]
    assert exchange_of(backlog, NOW) == 2


def test_a_clock_that_is_ahead_is_known_by_receipts_from_the_future() -> None:
    assert exchange_of([reading(-timedelta(hours=6))], NOW) == -6 * 3600


def test_few_exchanges_move_nothing() -> None:
    assert observed(Clock(), [FORTY] * (EXCHANGES_MIN - 1)).skew_minutes == 0
    assert observed(Clock(), [FORTY] * EXCHANGES_MIN).skew_minutes == 40


@given(st.lists(st.integers(FORTY - 40, FORTY + 40), min_size=10, max_size=10), st.lists(st.integers(), max_size=4))
def test_outliers_move_nothing(agreeing: list[int], outliers: list[int]) -> None:
    clock = observed(Clock(), [*outliers, *agreeing])
    assert abs(clock.skew_minutes - 40) <= 1
    assert clock.is_settled


def test_exchanges_that_do_not_agree_leave_what_was_known() -> None:
    known = observed(Clock(), [FORTY] * EXCHANGES_MAX)
    scattered = observed(known, [n * 600 for n in range(EXCHANGES_MAX)])
    assert (scattered.skew_minutes, scattered.is_settled) == (40, False)


def test_a_till_that_catches_up_with_its_backlog_one_by_one_has_no_skew() -> None:
    delays = range(3 * 3600, 0, -120)
    assert observed(Clock(), list(delays)[:EXCHANGES_MAX]).skew_minutes == 0


def test_a_clock_that_was_set_right_is_right_after_some_exchanges() -> None:
    wrong = observed(Clock(), [FORTY] * EXCHANGES_MAX)
    assert observed(wrong, [2] * EXCHANGES_MAX).skew_minutes == 0


@pytest.mark.parametrize(
    ("seconds", "correction", "implausible"),
    [
        (0, 0, False),
        (70, 0, False),
        (125, 2, False),
        (-600, -10, False),
        (1800, 30, True),
        (60 * CORRECTED_MINUTES_MAX, CORRECTED_MINUTES_MAX, True),
        (60 * CORRECTED_MINUTES_MAX + 60, 0, True),
    ],
)
def test_a_skew_is_rounded_and_corrected_as_far_as_it_is_believed(
    seconds: int, correction: int, *, implausible: bool
) -> None:
    clock = observed(Clock(), [seconds] * EXCHANGES_MIN)
    assert (clock.correction_minutes, clock.is_implausible) == (correction, implausible)
