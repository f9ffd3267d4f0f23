"""A rebuild under load: events keep coming and are applied, readers keep reading, nothing is said twice."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from services.profile.domain.profile import Chain
from services.profile.handlers import refresh
from shared.db import Database
from shared.rebuild.run import Asked
from shared.worker.source import ProducerAwayError
from tests.fixtures.waiting import until
from tests.integration.profile.histories import NOON
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


@pytest.mark.parametrize("service_name", ["profile"])
async def test_a_long_snapshot_is_waited_for_and_keeps_no_other_reader_waiting(live: Living) -> None:
    longest = 0.0
    readers = await Database.connect(live.dsn, application="readers")

    async def read() -> None:
        nonlocal longest
        while True:
            started = time.monotonic()
            for table in ("receipts", "products", "subject_totals"):
                await readers.fetchval(f"SELECT count(*) FROM {table}")
            longest = max(longest, time.monotonic() - started)
            await asyncio.sleep(0.01)

    try:
        async with running(read()):
            rebuilding = asyncio.create_task(live.rebuild())
            async with readers.transaction(isolation="repeatable_read") as tx:
                await tx.fetchval("SELECT count(*) FROM receipts")
                for _ in range(20):  # as long as a training reads, for a test's patience
                    await tx.fetchval("SELECT count(*) FROM receipts")
                    await asyncio.sleep(0.2)
                assert not rebuilding.done()
            assert (await rebuilding).is_swapped
    finally:
        await readers.close()
    assert longest < 2.0  # for as long as a session may wait for a lock; less would depend on the machine


@pytest.mark.parametrize("service_name", ["profile"])
async def test_a_producer_that_is_away_for_a_while_is_waited_for(live: Living) -> None:
    async with live.rebuilding() as rebuild:
        for source in rebuild.sources.values():
            source.failures = 3  # type: ignore[attr-defined]
        assert (await rebuild.run(Asked())).is_swapped


@pytest.mark.parametrize("service_name", ["profile"])
async def test_a_producer_that_stays_away_ends_the_rebuild_and_changes_nothing(
    live: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.rebuild.fill.AWAY_SECONDS_MAX", 0.5)
    derived = await live.rows("derived")
    async with live.rebuilding() as rebuild:
        for source in rebuild.sources.values():
            source.failures = 10_000  # type: ignore[attr-defined]
        with pytest.raises(ProducerAwayError):
            await rebuild.run(Asked())
    assert await live.rows("derived") == derived
    assert await live.schemas() == {"public"}


@pytest.mark.parametrize("service_name", ["profile"])
async def test_what_is_computed_from_rebuilt_tables_as_of_one_moment_is_what_it_was(live: Living) -> None:
    chain = Chain("USD", "America/New_York")
    live.clock.set(NOON + timedelta(days=20))

    async def computed() -> dict[str, str]:
        await live.database.execute("INSERT INTO dirty (customer_id) SELECT customer_id FROM customers")
        while await refresh.refresh(live.database, live.clock, chain):
            pass
        await refresh.score(live.database, live.clock)
        while await refresh.refresh(live.database, live.clock, chain):
            pass
        return dict(await live.rows("computed"))

    await computed()
    before, said = await computed(), await live.database.fetchval("SELECT count(*) FROM events")
    assert (await live.rebuild()).is_swapped
    assert await computed() == before
    assert await live.database.fetchval("SELECT count(*) FROM events") == said
