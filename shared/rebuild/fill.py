"""Filling the new schema from the producers' logs, by the service's own handlers, in the worker's transactions."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from shared import leases
from shared.db import Database
from shared.errors import TransientError
from shared.leases import DeposedError, Lease
from shared.rebuild.domain import Goal, Place, Served, place_of
from shared.rebuild.errors import RebuildFailed
from shared.worker import positions
from shared.worker.applier import Applier
from shared.worker.domain import Incoming, Position, advance, fork_by_page
from shared.worker.source import ForkedError, LogSource

log = structlog.get_logger()

LINES_AT_ONCE = 2
"""A log has four places for readers, and live workers need some of them."""
AWAY_SECONDS_MAX = 120.0
ANALYZE_AT_EVENTS = (5_000, 50_000, 500_000)
"""When the planner is told of the new tables: plans made for empty ones would read whole tables for ever."""

Told = Callable[[int], None]


async def served_by(sources: Mapping[str, LogSource]) -> Served:
    """Ask every producer how far its log goes; raise ProducerAwayError (after trying for a while)."""
    origins: set[str] = set()
    numbered: dict[Place, int] = {}
    for source in sources.values():
        async for attempt in _patiently():
            with attempt:
                origin, heads = await source.heads()
        origins.add(origin)
        numbered.update({(origin, topic, partition): head.numbered for (topic, partition), head in heads.items()})
    return Served(frozenset(origins), numbered)


async def forked_among(sources: Mapping[str, LogSource], applied: Sequence[Position], served: Served) -> set[Place]:
    """Return the lines whose log has another event at the place that was applied last."""
    forked: set[Place] = set()
    for position in applied:
        place = place_of(position)
        if position.last_seq == 0 or served.numbered.get(place, 0) < position.last_seq:
            continue  # nothing to compare, or shorter than what was applied: told by its head
        try:
            async for attempt in _patiently():
                with attempt:
                    await sources[_service(position.origin)].after(position, 1)
        except ForkedError:
            forked.add(place)
    return forked


@dataclass(slots=True)
class Filler:
    """Fills one schema. `told` hears of every so many events applied."""

    database: Database
    applier: Applier
    sources: Mapping[str, LogSource]
    lease: Lease
    told: Told = lambda _: None
    applied: int = 0
    _positions: dict[Place, Position] = field(default_factory=dict)
    _analyzed: int = 0

    async def up_to(self, goals: Sequence[Goal]) -> None:
        """Apply what is missing up to the goals, never more.

        Raises TransientError when the database or a producer stays away, and RebuildFailed for what waiting does
        not mend.
        """
        await self._load(goals)
        behind: dict[int, list[Goal]] = defaultdict(list)
        for goal in goals:
            if not goal.is_met(self._positions.get(goal.place)):
                behind[goal.partition].append(goal)
        places = asyncio.Semaphore(LINES_AT_ONCE)

        async def fill(of_partition: Sequence[Goal]) -> None:
            async with places:
                for goal in of_partition:
                    await self._line(goal)

        tasks = [asyncio.create_task(fill(of_partition)) for of_partition in behind.values()]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _load(self, goals: Sequence[Goal]) -> None:
        """Read the positions anew: a commit of unknown outcome may have moved them."""
        await self.database.settle()
        for partition in sorted({goal.partition for goal in goals}):
            for position in await positions.load(self.database, partition):
                self._positions[place_of(position)] = position

    async def _line(self, goal: Goal) -> None:
        async for attempt in _patiently():
            with attempt:
                await self._load([goal])
                await self._fill(goal)
        if not goal.is_met(self._positions.get(goal.place)):
            raise RebuildFailed(
                f"{goal.origin} {goal.topic}/{goal.partition} has another event at {goal.seq} than was applied:"
                " its log was replaced meanwhile; run the rebuild again"
            )

    async def _fill(self, goal: Goal) -> None:
        position = self._positions.get(goal.place, Position(*goal.place))
        page = await self._page(goal, position)
        while page:
            handled = [record for record in page if record.seq <= goal.seq]
            ahead = advance(position, handled, None)
            following = asyncio.create_task(self._page(goal, ahead))
            try:
                moved = await self.applier.apply(self.lease, {position.line: position}, handled, {})
                position = self._moved(moved[position.line], len(handled))
                self._check_going(goal, position)
                page = await following
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            await self._tell_planner()

    def _moved(self, position: Position, events: int) -> Position:
        self._positions[place_of(position)] = position
        self.applied += events
        self.told(self.applied)
        return position

    def _check_going(self, goal: Goal, position: Position) -> None:
        """Raise RebuildFailed where the brake holds short of the goal."""
        if position.last_seq < goal.seq and position.stands_still(self.applier.code_version):
            raise RebuildFailed(
                f"{goal.origin} {goal.topic}/{goal.partition}: too many events in a row up to {position.last_seq}"
                " cannot be applied by this code, though they once were; mend it and run it again"
            )

    async def _page(self, goal: Goal, position: Position) -> list[Incoming]:
        if position.last_seq >= goal.seq:
            return []
        source = self.sources[_service(goal.origin)]
        try:
            page = await source.after(position)
        except ForkedError as forked:
            raise RebuildFailed(f"{goal.origin} {goal.topic}/{goal.partition}: {forked}; run it again") from forked
        fork = fork_by_page(position, page)
        if fork is not None:
            raise RebuildFailed(f"{goal.origin} {goal.topic}/{goal.partition}: {fork}; run it again")
        return page

    async def _tell_planner(self) -> None:
        due = sum(self.applied >= events for events in ANALYZE_AT_EVENTS)
        if due > self._analyzed:
            self._analyzed = due
            await self.database.execute("ANALYZE")


def _service(origin: str) -> str:
    return origin.partition("#")[0]


def _patiently() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type((TransientError, DeposedError)),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_after_delay(AWAY_SECONDS_MAX),
        reraise=True,
    )


async def private_lease(database: Database) -> Lease:
    """Return a lease in the new schema's own table, which nobody else asks for."""
    lease = await leases.claim(database, "rebuild", "rebuild")
    assert lease is not None
    return lease
