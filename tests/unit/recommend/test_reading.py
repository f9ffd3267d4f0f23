"""Reads of the database for an answer: together within its patience, each kind left alone by itself."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.recommend.serving.reading import FAILURES_MAX, LEFT_ALONE_SECONDS, Patience, Reads
from shared.db import DatabaseAwayError


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def answer() -> str:
    return "read"


async def refuse() -> str:
    raise DatabaseAwayError("no route")


@given(st.lists(st.floats(min_value=0, max_value=1), max_size=8))
def test_patience_never_grows_and_never_falls_below_nothing(passing: list[float]) -> None:
    clock = Clock()
    patience = Patience(0.12, clock)
    left = [patience.left_seconds]
    for seconds in passing:
        clock.now += seconds
        left.append(patience.left_seconds)
    assert left == sorted(left, reverse=True)
    assert left[0] == pytest.approx(0.12)
    assert min(left) >= 0


async def test_what_is_read_in_time_is_returned() -> None:
    assert await Reads("history", 1.0).within(answer, Patience(1.0)) == "read"


async def test_an_answer_without_patience_left_reads_nothing_and_blames_nobody() -> None:
    asked = 0

    async def count() -> str:
        nonlocal asked
        asked += 1
        return "read"

    reads = Reads("history", 1.0)
    for _ in range(FAILURES_MAX + 1):
        assert await reads.within(count, Patience(0.0)) is None
    assert asked == 0
    assert await reads.within(count, Patience(1.0)) == "read"


async def test_a_read_waits_no_longer_than_what_is_left_of_the_answers_patience() -> None:
    frozen = asyncio.Event()
    async with asyncio.timeout(30):
        assert await Reads("coupons", 60.0).within(frozen.wait, Patience(0.01)) is None


async def test_one_kind_that_is_away_leaves_the_others_be() -> None:
    clock = Clock()
    coupons, history = Reads("coupons", 1.0, clock), Reads("history", 1.0, clock)
    for _ in range(FAILURES_MAX):
        assert await coupons.within(refuse) is None
    assert await coupons.within(answer) is None
    assert await history.within(answer) == "read"
    clock.now = LEFT_ALONE_SECONDS
    assert await coupons.within(answer) == "read"
    assert await coupons.within(answer) == "read"


async def test_what_comes_late_closes_the_breaker_again() -> None:
    thawed = asyncio.Event()
    reads = Reads("history", 0.005)
    for _ in range(FAILURES_MAX):
        assert await reads.within(thawed.wait) is None
    assert await reads.within(answer) is None
    thawed.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await reads.within(answer) == "read"


async def test_a_bug_in_what_comes_late_is_told() -> None:
    go_on = asyncio.Event()

    async def late() -> str:
        await go_on.wait()
        raise KeyError("no such column")

    with capture_logs() as logs:
        reads = Reads("coupons", 0.01)
        assert await reads.within(late) is None
        go_on.set()
        (reading,) = reads._late
        await asyncio.wait({reading})
        await asyncio.sleep(0)
    assert [(entry["event"], entry["what"]) for entry in logs] == [("reads.failed", "coupons")]


async def test_several_may_wait_for_one_reading() -> None:
    thawed = asyncio.Event()
    one = asyncio.ensure_future(thawed.wait())
    reads = Reads("exposures", 5.0)
    waiting = [asyncio.ensure_future(reads.within(lambda: one)) for _ in range(3)]
    await asyncio.sleep(0)
    thawed.set()
    assert await asyncio.gather(*waiting) == [True, True, True]
