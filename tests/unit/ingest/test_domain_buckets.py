"""Limits of sources, and what a process takes ahead of them, by a clock that tests move."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.buckets import AHEAD_SECONDS, KEPT_SECONDS, Allowance, Bucket, RateLimit

LIMIT = RateLimit(events_per_second=10, burst=20)


def test_a_full_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket.full(LIMIT, at=0)
    assert bucket.take(20, at=0) == 20
    assert bucket.take(1, at=0) == 0
    assert bucket.take(10, at=1) == 10
    assert bucket.take(10, at=1.5) == 0


def test_a_batch_larger_than_the_burst_passes_when_nothing_else_was_sent_and_is_paid_for() -> None:
    bucket = Bucket.full(LIMIT, at=0)
    assert bucket.take(100, at=0) == 100
    assert bucket.wait_seconds(1, at=0) == 9
    assert bucket.take(100, at=10) == 100


def test_waiting_as_long_as_was_said_is_enough() -> None:
    bucket = Bucket.full(LIMIT, at=0)
    bucket.take(57, at=0)
    wait_seconds = bucket.wait_seconds(13, at=0)
    assert wait_seconds > 0
    assert bucket.take(13, at=wait_seconds) == 13


def test_what_is_taken_ahead_is_only_what_is_there() -> None:
    bucket = Bucket.full(LIMIT, at=0)
    assert bucket.take(5, at=0, ahead=5) == 10
    assert bucket.take(5, at=0, ahead=50) == 10
    assert bucket.take(1, at=0, ahead=50) == 0


def test_nothing_is_taken_ahead_by_who_owes() -> None:
    bucket = Bucket.full(LIMIT, at=0)
    assert bucket.take(100, at=0, ahead=50) == 100
    assert bucket.left == -80


@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(0, 5)), max_size=60),
    st.integers(1, 50),
    st.integers(1, 50),
)
def test_over_any_time_no_more_passes_than_burst_and_rate_allow(
    asks: list[tuple[int, float]], rate: int, burst: int
) -> None:
    bucket = Bucket.full(RateLimit(rate, burst), at=0)
    at, passed, largest = 0.0, 0, 0
    for events, pause in asks:
        at += pause
        if bucket.take(events, at):
            passed += events
            largest = max(largest, events)
    assert passed <= burst + at * rate + max(largest - 1, 0) + 1e-6


@dataclass
class Process:
    """One that takes of a bucket shared with others, as the limiter does."""

    bucket: Bucket
    passed: int = 0
    asked: int = 0
    allowance: Allowance = field(init=False)

    def __post_init__(self) -> None:
        self.allowance = Allowance(self.bucket.limit)

    def send(self, events: int, at: float) -> bool:
        if not self.allowance.use(events, at):
            self.asked += 1
            taken = self.bucket.take(events, at, self.allowance.wanted_ahead(events, at))
            if not taken:
                return False
            self.allowance.taken(taken - events, at)
        self.passed += events
        return True


def test_one_that_sends_much_asks_about_four_times_a_second() -> None:
    process = Process(Bucket.full(RateLimit(1000, 2000), at=0))
    for number in range(5000):
        assert process.send(1, at=number / 900)
    asked = process.asked
    for number in range(5000, 9500):
        assert process.send(1, at=number / 900)
    assert process.asked - asked <= 5 / AHEAD_SECONDS + 2


def test_one_that_sends_seldom_takes_no_more_than_it_sends() -> None:
    bucket = Bucket.full(RateLimit(10, 10), at=0)
    process = Process(bucket)
    for number in range(20):
        assert process.send(1, at=float(number))
        assert bucket.left == 9


def test_what_was_taken_ahead_is_not_used_much_later() -> None:
    process = Process(Bucket.full(RateLimit(100, 100), at=0))
    for number in range(10):
        process.send(1, at=number / 100)
    assert process.allowance.left > 0
    assert not process.allowance.use(1, at=1 + KEPT_SECONDS)
    assert process.allowance.left == 0


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30), st.floats(0, 0.5)), min_size=1, max_size=200),
    st.integers(1, 200),
    st.integers(1, 100),
)
def test_several_processes_together_pass_no_more_than_one_would(
    asks: list[tuple[int, int, float]], rate: int, burst: int
) -> None:
    bucket = Bucket.full(RateLimit(rate, burst), at=0)
    processes = [Process(bucket) for _ in range(4)]
    at, largest = 0.0, 0
    for which, events, pause in asks:
        at += pause
        processes[which].send(events, at)
        largest = max(largest, events)
    passed = sum(process.passed for process in processes)
    assert passed <= burst + at * rate + max(largest - 1, 0) + 1e-6
