"""Limits of sources, by a clock that tests move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.buckets import Bucket, RateLimit
from services.ingest.domain.sources import Source, SourceKind
from services.ingest.errors import RateLimited
from services.ingest.handlers.limiting import Limiter

LIMIT = RateLimit(events_per_second=10, burst=20)


def test_a_full_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket.full(LIMIT, at=0)
    assert bucket.take(20, at=0) == 0
    assert bucket.take(1, at=0) == 1
    assert bucket.take(10, at=1) == 0
    assert bucket.take(10, at=1.5) == 1


def test_a_batch_larger_than_the_burst_passes_when_nothing_else_was_sent_and_is_paid_for() -> None:
    bucket = Bucket.full(LIMIT, at=0)
    assert bucket.take(100, at=0) == 0
    assert bucket.take(1, at=0) == 9
    assert bucket.take(100, at=10) == 0


def test_waiting_as_long_as_was_said_is_enough() -> None:
    bucket = Bucket.full(LIMIT, at=0)
    bucket.take(57, at=0)
    wait_seconds = bucket.take(13, at=0)
    assert bucket.take(13, at=wait_seconds) == 0


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
        if bucket.take(events, at) == 0:
            passed += events
            largest = max(largest, events)
    assert passed <= burst + at * rate + max(largest - 1, 0) + 1e-6


def test_a_limit_that_was_changed_or_taken_away_holds_at_once() -> None:
    limiter = Limiter(seconds=lambda: 0.0)
    source = Source("shop", SourceKind.WEB, limit=RateLimit(1, 1))
    limiter.take(source, 1)
    with pytest.raises(RateLimited) as raised:
        limiter.take(source, 1)
    assert raised.value.retry_after_seconds == 1
    limiter.take(Source("shop", SourceKind.WEB, limit=RateLimit(1, 2)), 2)
    limiter.take(Source("shop", SourceKind.WEB), 1000)
    limiter.take(Source("other", SourceKind.WEB, limit=RateLimit(1, 1)), 1)
