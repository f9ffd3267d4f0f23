"""What goes on beside answering survives its own bugs, says which work failed, and ends with the process."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from services.recommend.serving import background
from services.recommend.serving.background import Work, going_on
from tests.fixtures.waiting import until


class Rounds:
    """Work that fails in its first rounds."""

    def __init__(self, failing: int = 0) -> None:
        self.done = 0
        self._failing = failing

    async def __call__(self) -> None:
        self.done += 1
        if self.done <= self._failing:
            raise ValueError("a bug")

    async def reach(self, rounds: int) -> None:
        async def are_done() -> bool:
            return self.done >= rounds

        await until(are_done, 10)


def failures(name: str) -> float:
    return REGISTRY.get_sample_value("recommend_background_failures_total", {"work": name}) or 0.0


async def test_work_that_fails_is_done_again_and_counted_by_its_name() -> None:
    flawed, sound = Rounds(failing=2), Rounds()
    before = failures("flawed"), failures("sound")
    async with going_on([Work("flawed", flawed, 0.001), Work("sound", sound, 0.001)]):
        await flawed.reach(4)
        await sound.reach(4)
    assert (failures("flawed"), failures("sound")) == (before[0] + 2, before[1])


async def test_what_goes_on_by_itself_is_begun_again_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "AGAIN_SECONDS", 0.001)
    endless = Rounds(failing=1)
    async with going_on([Work("endless", endless)]):
        await endless.reach(3)


async def test_nothing_goes_on_afterwards_whatever_happened_inside() -> None:
    waiting = asyncio.Event()
    ended = asyncio.Event()

    async def wait_for_ever() -> None:
        try:
            await waiting.wait()
        finally:
            ended.set()

    async def stop_early() -> None:
        async with going_on([Work("waits", wait_for_ever)]):
            await asyncio.sleep(0)
            raise KeyError

    with pytest.raises(KeyError):
        await stop_early()
    assert ended.is_set()
