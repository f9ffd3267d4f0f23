"""Rule 10: a partition has one worker at a time; frozen and killed workers are replaced, and nothing is doubled."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.db import Database
from shared.leases import Lease
from shared.worker.crew import Crew
from shared.worker.progress import Progress
from tests.faults.harness import Child, measure
from tests.fixtures.brokers import Broker
from tests.fixtures.core import PARTITIONS, lead, numberer, page_view, running, say, subject_in
from tests.fixtures.waiting import until

Spawn = Callable[..., Child]

MOVE_ON_SECONDS = 5.0


async def held(database: Database) -> dict[int, str]:
    rows = await database.fetch(
        "SELECT name, holder FROM leases WHERE name LIKE 'partition:%' AND expires_at > clock_timestamp()"
    )
    return {int(row["name"].partition(":")[2]): row["holder"] for row in rows}


async def shares(database: Database) -> list[int]:
    counts: dict[str, int] = defaultdict(int)
    for holder in (await held(database)).values():
        counts[holder] += 1
    return sorted(counts.values(), reverse=True)


def shared_as(database: Database, *wanted: int) -> Callable[[], Awaitable[bool]]:
    async def settled() -> bool:
        return await shares(database) == list(wanted)

    return settled


async def applied(database: Database) -> int:
    count: int = await database.fetchval("SELECT count(*) FROM applications")
    return count


async def assert_exact(database: Database, events: int) -> None:
    row = await database.fetchrow("SELECT count(*) AS applied, count(DISTINCT event_id) AS events FROM applications")
    assert row is not None
    assert (row["applied"], row["events"]) == (events, events)
    assert await database.fetchval("SELECT sum(events) FROM tallies") == events


@pytest.mark.faults
async def test_a_worker_frozen_inside_its_transaction_is_replaced_and_changes_nothing(
    producer: Database, consumer: Database, spawn: Spawn, any_private_broker: Broker, tmp_path: Path
) -> None:
    freeze_file = tmp_path / "freeze"
    servers = any_private_broker.bootstrap_servers
    async with running(lead(numberer(producer, servers))):
        first = spawn("worker", "first", bootstrap_servers=servers, freeze_file=str(freeze_file))
        await until(shared_as(consumer, 4), 20)
        second = spawn("worker", "second", bootstrap_servers=servers)
        await until(shared_as(consumer, 2, 2), 20)
        frozen_partition = min(number for number, holder in (await held(consumer)).items() if holder == "first")
        subjects = [subject_in(number) for number in range(PARTITIONS)]

        freeze_file.touch()
        await say(producer, [page_view(subject_in(frozen_partition)) for _ in range(20)])
        await until(first.is_frozen, 10)
        await say(producer, [page_view(subject) for subject in subjects for _ in range(20)])
        seconds = await until(lambda: _is(applied(consumer), 100), 15)
        measure("a worker frozen inside its transaction: all its events applied by another after", seconds)
        assert seconds <= MOVE_ON_SECONDS
        assert set((await held(consumer)).values()) == {"second"}

        first.signal(signal.SIGCONT)
        await until(shared_as(consumer, 2, 2), 15)
        await say(producer, [page_view(subject) for subject in subjects for _ in range(20)])
        await until(lambda: _is(applied(consumer), 180), 15)
        assert (first.exit_code, second.exit_code) == (None, None)
    await assert_exact(consumer, 180)


@pytest.mark.faults
async def test_the_partitions_of_a_killed_worker_move_on(
    producer: Database, consumer: Database, spawn: Spawn, any_private_broker: Broker
) -> None:
    servers = any_private_broker.bootstrap_servers
    async with running(lead(numberer(producer, servers))):
        first = spawn("worker", "first", bootstrap_servers=servers)
        spawn("worker", "second", bootstrap_servers=servers)
        await until(shared_as(consumer, 2, 2), 20)
        first.kill()
        await say(producer, [page_view(subject_in(number)) for number in range(PARTITIONS) for _ in range(10)])
        seconds = await until(lambda: _is(applied(consumer), 40), 15)
        measure("a killed worker: all its events applied by another after", seconds)
        assert seconds <= MOVE_ON_SECONDS
    await assert_exact(consumer, 40)


async def _is(counting: Awaitable[int], wanted: int) -> bool:
    return await counting == wanted


class Watcher:
    """Runs in place of the partitions' consumers and sees whether two ever run one partition at once."""

    def __init__(self) -> None:
        self.running: dict[int, set[str]] = defaultdict(set)
        self.overlaps: list[int] = []

    async def run(self, lease: Lease, number: int) -> None:
        self.running[number].add(lease.holder)
        if len(self.running[number]) > 1:
            self.overlaps.append(number)
        try:
            await asyncio.Event().wait()
        finally:
            self.running[number].discard(lease.holder)

    def runs_each_once(self) -> bool:
        """Say whether every partition has just one runner: it starts a moment after its lease was claimed."""
        return [len(self.running[number]) for number in range(PARTITIONS)] == [1] * PARTITIONS


@asynccontextmanager
async def crew(database: Database, holder: str, watcher: Watcher) -> AsyncIterator[None]:
    async with running(Crew(database, holder, PARTITIONS, watcher.run, Progress("profile")).run()):
        yield


async def test_partitions_are_shared_fairly_among_workers_that_come_and_go(consumer: Database) -> None:
    watcher = Watcher()
    async with crew(consumer, "a", watcher):
        await until(shared_as(consumer, 4), 5)
        async with crew(consumer, "b", watcher), crew(consumer, "c", watcher):
            seconds = await until(shared_as(consumer, 2, 1, 1), 10)
            measure("partitions shared among three workers instead of one after", seconds)
        seconds = await until(shared_as(consumer, 4), 10)
        measure("partitions back with one worker after", seconds)
        assert set(watcher.running) == set(range(PARTITIONS))
    assert watcher.overlaps == []
    assert await held(consumer) == {}


async def test_two_workers_never_hold_one_partition(consumer: Database) -> None:
    """Claims in a race: every partition has one holder, and each generation was given once."""
    watcher = Watcher()
    async with (
        crew(consumer, "a", watcher),
        crew(consumer, "b", watcher),
        crew(consumer, "c", watcher),
        crew(consumer, "d", watcher),
    ):
        await until(shared_as(consumer, 1, 1, 1, 1), 10)
        await until(lambda: asyncio.sleep(0, watcher.runs_each_once()), 5)
    assert watcher.overlaps == []


async def test_more_workers_than_partitions_leave_the_surplus_idle(consumer: Database) -> None:
    watcher = Watcher()
    async with crew(consumer, "a", watcher), crew(consumer, "b", watcher), crew(consumer, "c", watcher):
        async with crew(consumer, "d", watcher), crew(consumer, "e", watcher), crew(consumer, "f", watcher):
            await until(shared_as(consumer, 1, 1, 1, 1), 10)
        await until(shared_as(consumer, 2, 1, 1), 10)
    assert watcher.overlaps == []


async def test_a_renewal_that_fails_once_stops_nobody(consumer: Database) -> None:
    """A database that is away for a moment must not restart every consumer: the fences protect them."""
    watcher = Watcher()
    async with crew(consumer, "a", watcher):
        await until(shared_as(consumer, 4), 5)
        before = await leases_of(consumer)
        await consumer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )

        async def renewed_twice() -> bool:
            return all(
                expires_at > before[name][1] + timedelta(seconds=1.5)
                for name, (_, expires_at) in (await leases_of(consumer)).items()
            )

        await until(renewed_twice, 10)
        after = await leases_of(consumer)
    assert {name: generation for name, (generation, _) in after.items()} == {
        name: generation for name, (generation, _) in before.items()
    }


async def leases_of(database: Database) -> dict[str, tuple[int, datetime]]:
    rows = await database.fetch("SELECT name, generation, expires_at FROM leases")
    return {row["name"]: (row["generation"], row["expires_at"]) for row in rows}
