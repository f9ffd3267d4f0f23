"""Back-off of restarts and the broker's memory, decided without any process."""

from hypothesis import given
from hypothesis import strategies as st

from regulars.restarts import (
    BROKER_BYTES_MAX,
    BROKER_BYTES_WARNED,
    DELAY_SECONDS_MAX,
    FIRST_DELAY_SECONDS,
    WELL_AFTER_SECONDS,
    MemoryVerdict,
    broker_memory_verdict,
    failures_in_a_row,
    restart_delay_seconds,
)


def test_the_first_failure_is_followed_by_a_start_almost_at_once() -> None:
    assert restart_delay_seconds(1) == FIRST_DELAY_SECONDS < 0.5


@given(st.integers(min_value=1, max_value=10_000))
def test_delays_grow_and_are_bounded(failures: int) -> None:
    assert restart_delay_seconds(failures) <= restart_delay_seconds(failures + 1) <= DELAY_SECONDS_MAX


def test_a_process_that_ran_well_begins_anew() -> None:
    assert failures_in_a_row(7, WELL_AFTER_SECONDS) == 1
    assert failures_in_a_row(7, 1.0) == 8


def test_the_broker_is_warned_of_then_emptied() -> None:
    assert broker_memory_verdict(BROKER_BYTES_WARNED) is MemoryVerdict.FINE
    assert broker_memory_verdict(BROKER_BYTES_WARNED + 1) is MemoryVerdict.WARN
    assert broker_memory_verdict(BROKER_BYTES_MAX + 1) is MemoryVerdict.RESTART
