"""Small requests that come together are stored together, and each gets its own results or failure."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from services.ingest.domain.faults import Fault
from services.ingest.drafts import Rejected, Result
from services.ingest.handlers.accepting.grouping import (
    ALONE_FROM_ITEMS,
    GROUP_ITEMS_MAX,
    GROUPS_AT_ONCE,
    GroupCommit,
    Inputs,
)
from shared.db import DatabaseAwayError

NOBODY: Any = None


def inputs(*names: str) -> list[Rejected]:
    return [Rejected(place, NOBODY, "test", Fault("code", name), b"", name) for place, name in enumerate(names)]


class Store:
    """Accepts everything when it is let; keeps what came in one call."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.let = asyncio.Event()
        self.failing: dict[str, Exception] = {}

    async def accept(self, given: Inputs) -> list[Result]:
        names = [str(one.message_id) for one in given]
        self.calls.append(names)
        await self.let.wait()
        for name in names:
            if name in self.failing:
                raise self.failing[name]
        assert [one.place for one in given] == list(range(len(given)))
        return [Result(place, name, "accepted") for place, name in enumerate(names)]


async def started(groups: GroupCommit, *requests: Sequence[str]) -> list[asyncio.Task[list[Result]]]:
    tasks = [asyncio.create_task(groups.accept(inputs(*names))) for names in requests]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def busy(groups: GroupCommit) -> list[asyncio.Task[list[Result]]]:
    """Let as many groups be stored as may be at once."""
    return [task for _ in range(GROUPS_AT_ONCE) for task in await started(groups, ["a"])]


async def test_what_comes_while_groups_are_stored_is_the_next_group() -> None:
    store = Store()
    groups = GroupCommit(store.accept)
    first = await busy(groups)
    later = await started(groups, ["b"], ["c", "d"], [], ["e"])
    assert store.calls == [["a"]] * GROUPS_AT_ONCE
    store.let.set()
    results = await asyncio.gather(*first, *later)
    assert store.calls[GROUPS_AT_ONCE:] == [["b", "c", "d", "e"]]
    assert [[one.message_id for one in each] for each in results[GROUPS_AT_ONCE:]] == [["b"], ["c", "d"], [], ["e"]]


async def test_one_request_alone_is_stored_at_once() -> None:
    store = Store()
    store.let.set()
    (result,) = await GroupCommit(store.accept).accept(inputs("a"))
    assert result.message_id == "a"


async def test_a_large_request_goes_alone_and_groups_are_bounded() -> None:
    store = Store()
    groups = GroupCommit(store.accept)
    large = [f"l{number}" for number in range(ALONE_FROM_ITEMS)]
    small = [f"s{number}" for number in range(ALONE_FROM_ITEMS - 1)]
    before = await busy(groups)
    tasks = await started(groups, *([small] * 15), large)
    assert store.calls[-1] == large
    store.let.set()
    await asyncio.gather(*before, *tasks)
    assert max(len(call) for call in store.calls) <= GROUP_ITEMS_MAX
    assert sum(len(call) for call in store.calls) == GROUPS_AT_ONCE + 15 * len(small) + len(large)


async def test_a_fault_that_one_request_brought_fails_it_alone() -> None:
    store = Store()
    groups = GroupCommit(store.accept)
    store.failing = {"bad": ValueError("a bug")}
    before = await busy(groups)
    good, bad, fine = await started(groups, ["b"], ["bad"], ["c"])
    store.let.set()
    await asyncio.gather(*before)
    assert [one.message_id for one in [*await good, *await fine]] == ["b", "c"]
    with pytest.raises(ValueError, match="a bug"):
        await bad


async def test_an_outage_fails_everybody_at_once() -> None:
    store = Store()
    groups = GroupCommit(store.accept)
    store.failing = {"c": DatabaseAwayError("gone")}
    before = await busy(groups)
    together = await started(groups, ["b"], ["c"])
    store.let.set()
    await asyncio.gather(*before)
    outcomes = await asyncio.gather(*together, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseAwayError, DatabaseAwayError]
    assert store.calls[GROUPS_AT_ONCE:] == [["b", "c"]]


async def test_a_caller_who_goes_away_costs_nobody_else_anything() -> None:
    store = Store()
    groups = GroupCommit(store.accept)
    before = await busy(groups)
    gone, stays = await started(groups, ["b"], ["c"])
    gone.cancel()
    store.let.set()
    await asyncio.gather(*before)
    assert [replace(one, place=0) for one in await stays] == [Result(0, "c", "accepted")]
