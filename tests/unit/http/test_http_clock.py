"""Now, shifted and unshifted."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from shared.clock import Clock, FixedClock, SystemClock, utc, write_offset

SLACK = timedelta(seconds=5)
AT = datetime(2026, 2, 28, 23, 30, tzinfo=UTC)


def test_the_system_clock_is_aware_and_in_utc() -> None:
    now = SystemClock().now()
    assert now.utcoffset() == timedelta(0)
    assert abs(now - datetime.now(UTC)) < SLACK


def test_an_offset_shifts_it_and_a_new_one_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    clock = SystemClock(path)
    assert abs(clock.now() - datetime.now(UTC)) < SLACK
    for days in (-56, 7, 0):
        write_offset(path, timedelta(days=days))
        assert abs(clock.now() - datetime.now(UTC) - timedelta(days=days)) < SLACK


def test_a_removed_offset_file_means_the_real_time_again(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    write_offset(path, timedelta(days=3))
    clock = SystemClock(path)
    clock.now()
    path.unlink()
    assert abs(clock.now() - datetime.now(UTC)) < SLACK


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"offset_seconds": "soon"}', '{"offset_seconds": NaN}', '{"offset_seconds": 1e300}']
)
def test_a_file_without_an_offset_is_an_error_that_names_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "clock.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"clock\.json must hold"):
        SystemClock(path).now()


def test_a_fixed_clock_moves_only_when_told() -> None:
    clock = FixedClock(AT)
    assert clock.now() == clock.now() == AT
    clock.advance(timedelta(hours=1))
    assert clock.now() == datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
    clock.set(AT)
    assert clock.now() == AT


def test_any_zone_is_turned_into_utc_and_none_is_refused() -> None:
    east = datetime(2026, 3, 1, 7, 30, tzinfo=timezone(timedelta(hours=8)))
    assert utc(east) == AT
    assert utc(east).utcoffset() == timedelta(0)
    with pytest.raises(ValueError, match="names no instant"):
        utc(datetime(2026, 3, 1))  # noqa: DTZ001 - the naive time is the case


def test_both_are_clocks() -> None:
    clocks: list[Clock] = [SystemClock(), FixedClock(AT)]
    assert all(clock.now().tzinfo is UTC for clock in clocks)
