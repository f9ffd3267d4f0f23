"""When the nightly training is due: once a night, in the chain's own zone, and never long after its hour."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.recommend.domain.nightly import LATE_BY_MOST, Nightly

SHANGHAI = Nightly(3, "Asia/Shanghai")
THREE = datetime(2026, 11, 21, 19, 0, tzinfo=UTC)  # 03:00 of the 22nd in Shanghai


def test_it_is_due_at_its_hour_of_the_chains_day() -> None:
    assert not SHANGHAI.is_due(THREE - timedelta(seconds=1), None)
    assert SHANGHAI.is_due(THREE, None)
    assert SHANGHAI.is_due(THREE + timedelta(minutes=30), THREE - timedelta(days=1))


def test_it_is_tried_once_a_night() -> None:
    assert not SHANGHAI.is_due(THREE + timedelta(minutes=30), THREE)
    assert SHANGHAI.is_due(THREE + timedelta(days=1), THREE + timedelta(minutes=5))


def test_a_worker_that_comes_up_in_the_day_waits_for_the_night() -> None:
    assert not SHANGHAI.is_due(THREE + LATE_BY_MOST, None)
    assert not SHANGHAI.is_due(THREE + timedelta(hours=12), None)


def test_of_an_hour_that_comes_twice_the_first_counts() -> None:
    new_york, first = Nightly(1, "America/New_York"), datetime(2026, 11, 1, 5, 0, tzinfo=UTC)
    assert new_york.is_due(first, None)
    assert not new_york.is_due(first + timedelta(hours=1), first)


def test_it_can_be_switched_off() -> None:
    assert not Nightly(None, "UTC").is_due(THREE, None)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)), st.integers(0, 23))  # noqa: DTZ001 - the zone is given beside
def test_looked_at_every_ten_minutes_it_starts_once_a_day_also_when_clocks_change(start: datetime, hour: int) -> None:
    nightly = Nightly(hour, "America/New_York")
    last: datetime | None = None
    starts = []
    for step in range(6 * 24 * 3):
        now = start + timedelta(minutes=10 * step)
        if nightly.is_due(now, last):
            last = now
            starts.append(now)
    assert 2 <= len(starts) <= 4
    assert all(timedelta(hours=20) < b - a < timedelta(hours=28) for a, b in pairwise(starts))
