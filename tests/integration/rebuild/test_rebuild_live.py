"""A rebuild under load: events keep coming and are applied, readers keep reading, nothing is said twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.db import Database
from tests.fixtures.waiting import until
from tests.integration.rebuild.history import history, segment_news
from tests.integration.rebuild.world import NAMES, Living, say

pytestmark = pytest.mark.postgres
EACH_SERVICE = pytest.mark.parametrize("service_name", NAMES)


@dataclass
class Reading:
    """What readers in a loop have seen: how often each table was read, and the fewest rows that it had."""

    reads: Counter[str] = field(default_factory=Counter)
    falls: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    async def one_by_one(self, live: Living, database: Database) -> None:
        """Read each derived table by a statement of its own, prepared before the swap and used through it."""
        while True:
            for shape in live.shapes:
                if shape.table_class == "derived":
                    rows = await database.fetchval(f"SELECT count(*) FROM {shape.name}")
                    self._see(shape.name, rows)
            await asyncio.sleep(0)

    async def together(self, live: Living, database: Database) -> None:
        """Read all derived tables in one snapshot, as a profile is read."""
        while True:
            async with database.transaction(isolation="repeatable_read") as tx:
                for shape in live.shapes:
                    if shape.table_class == "derived":
                        await tx.fetch(f"SELECT * FROM {shape.name} LIMIT 5")
                        self.reads["together"] += 1
            await asyncio.sleep(0)

    async def some_more(self) -> None:
        """Wait until a hundred more reads were answered."""
        enough = self.reads.total() + 100

        async def answered() -> bool:
            return self.reads.total() >= enough

        await until(answered, 20)

    def _see(self, table: str, rows: int) -> None:
        self.reads[table] += 1
        if rows < self.rows.get(table, 0) and table not in {"popularity", "subjects"}:
            self.falls.append(f"{table}: {rows} after {self.rows[table]}")
        self.rows[table] = rows


@asynccontextmanager
async def running(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these for as long as the context lasts; what one of them raises fails the test."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@EACH_SERVICE
async def test_nothing_is_refused_lost_or_said_twice_while_tables_are_swapped_under_load(live: Living) -> None:
    reading = Reading()
    readers = await Database.connect(live.dsn, application="readers")
    chapters = 0

    async def feed() -> None:
        nonlocal chapters
        for seed in range(10, 40):
            await say(live.producer, [*history(seed, 20), *segment_news(seed, 3)])
            chapters += 1
            await asyncio.sleep(0.1)

    try:
        async with running(
            feed(),
            live.follow(live.subscription),
            reading.one_by_one(live, readers),
            reading.together(live, readers),
        ):
            for _ in range(2):
                rebuilt = await live.rebuild()
                assert rebuilt.is_swapped, rebuilt
                await reading.some_more()
    finally:
        await readers.close()
    assert chapters > 1
    assert reading.falls == []
    await live.catch_up()
    assert await live.behind() == 0
    assert (await live.rebuild(check=True)).is_equal
    assert await live.database.fetchval("SELECT count(*) FROM dead_letters") == 0
    said = await live.database.fetchval("SELECT count(*) - count(DISTINCT event_id) FROM events")
    assert said == 0
    assert await live.schemas() == {"public"}
