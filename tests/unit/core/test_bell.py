"""Waiting for a bell: it ends by the bell, by time, or by cancellation, and never loses the last."""

import asyncio
import time

import pytest

from shared.log.bell import Bell


async def test_a_bell_that_rings_ends_the_waiting() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.wait(60))
    await asyncio.sleep(0)
    bell.ring()
    async with asyncio.timeout(1):
        await waiting


async def test_a_bell_that_rang_before_is_not_waited_for_and_rings_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    async with asyncio.timeout(1):
        await bell.wait(60)
    started = time.monotonic()
    await bell.wait(0.05)
    assert time.monotonic() - started >= 0.05


async def test_without_a_bell_the_waiting_ends_by_itself() -> None:
    async with asyncio.timeout(1):
        await Bell().wait(0.01)


@pytest.mark.parametrize("rung_first", [True, False])
async def test_who_is_cancelled_just_when_it_rings_ends(*, rung_first: bool) -> None:
    """A leader that was deposed in such a moment went on for ever, and nobody led."""
    bell = Bell()
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            while True:
                await bell.wait(60)
        finally:
            ended = True

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    if rung_first:
        bell.ring()
    task.cancel()
    bell.ring()
    done, _ = await asyncio.wait([task], timeout=1)
    assert done == {task}
    assert ended
    assert task.cancelled()
