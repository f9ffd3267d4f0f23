"""Recurring tasks: one run at a time over all workers, repeated after a crash, failures kept, the others go on."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.db import Database
from shared.worker.schedule import ScheduledTask, Scheduler
from tests.faults.harness import Child, measure
from tests.fixtures.core import running
from tests.fixtures.waiting import until

Spawn = Callable[..., Child]


async def runs(database: Database, task: str) -> list[str]:
    rows = await database.fetch("SELECT holder FROM runs WHERE task = $1 ORDER BY started_at", task)
    return [row["holder"] for row in rows]


async def has_run(database: Database, task: str, times: int) -> bool:
    return len(await runs(database, task)) >= times


def task(database: Database, name: str = "steady", interval_seconds: float = 0.2) -> ScheduledTask:
    async def run() -> None:
        await database.execute("INSERT INTO runs VALUES ($1, 'here', clock_timestamp())", name)

    return ScheduledTask(name, interval_seconds, run)


@pytest.mark.faults
async def test_two_workers_run_a_task_once_per_interval_and_its_failure_is_kept(
    consumer: Database, spawn: Spawn
) -> None:
    spawn("scheduler", "first")
    spawn("scheduler", "second")
    await until(lambda: has_run(consumer, "steady", 6), 30)
    # Over the whole span, not gap by gap: a run notes itself late when the machine is busy, but two schedulers that
    # both ran each interval would be twice as fast.
    span_seconds, count = await consumer.fetchrow(  # type: ignore[misc]
        "SELECT extract(epoch FROM max(started_at) - min(started_at)), count(*) FROM runs WHERE task = 'steady'"
    )
    assert float(span_seconds) / (count - 1) >= 0.5
    assert len(await runs(consumer, "rare")) == 1

    async def failure() -> bool:
        kept = await consumer.fetchval("SELECT failure FROM schedule_runs WHERE task = 'failing'")
        return bool(kept == "ValueError: this one fails \\x00 each time")

    await until(failure, 10)


@pytest.mark.faults
async def test_a_task_whose_worker_is_frozen_and_killed_is_run_again_by_another(
    consumer: Database, spawn: Spawn, tmp_path: Path
) -> None:
    freeze_file = tmp_path / "freeze"
    first = spawn("scheduler", "first", freeze_file=str(freeze_file))
    await until(lambda: has_run(consumer, "steady", 2), 20)
    freeze_file.touch()
    await until(first.is_frozen, 10)
    spawn("scheduler", "second")
    first.kill()
    interrupted = await consumer.fetchval("SELECT count(*) FROM schedule_runs WHERE finished_at IS NULL")
    assert interrupted == 1

    async def taken_over() -> bool:
        return (await runs(consumer, "steady"))[-1] == "second"

    seconds = await until(taken_over, 20)
    measure("a killed worker's recurring task run by another (a process start included) after", seconds)


async def test_a_worker_that_thought_a_task_due_does_not_run_it_after_another_has(consumer: Database) -> None:
    steady = task(consumer, interval_seconds=3600)
    one, two = Scheduler(consumer, "one", [steady]), Scheduler(consumer, "two", [steady])
    assert await two._is_due(steady)
    await one._run_leased(steady)
    await two._run_leased(steady)
    assert len(await runs(consumer, "steady")) == 1


async def test_a_task_that_fails_stops_no_other_and_is_tried_at_its_next_time(consumer: Database) -> None:
    attempts = 0

    async def fail() -> None:
        nonlocal attempts
        attempts += 1
        raise ValueError("a bug")

    scheduler = Scheduler(consumer, "here", [ScheduledTask("failing", 0.1, fail), task(consumer)])
    async with running(scheduler.run()):
        await until(lambda: has_run(consumer, "steady", 3), 10)
        await until(lambda: asyncio.sleep(0, attempts >= 2), 5)


async def test_a_scheduler_is_stopped_while_its_database_is_away(consumer: Database) -> None:
    """Giving the lease back fails then; that must not be taken for a reason to go on."""
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    scheduling = asyncio.create_task(Scheduler(consumer, "here", [ScheduledTask("long", 60, work)]).run())
    await begun.wait()
    await consumer.close()
    scheduling.cancel()
    done, _ = await asyncio.wait({scheduling}, timeout=5)
    assert done == {scheduling}
    assert scheduling.cancelled()


async def test_a_task_that_was_overtaken_is_cancelled_and_does_not_finish_the_others_run(consumer: Database) -> None:
    cancelled, begun = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with running(Scheduler(consumer, "here", [ScheduledTask("long", 60, work)]).run()):
        async with asyncio.timeout(5):
            await begun.wait()
        await consumer.execute("UPDATE leases SET generation = generation + 1, holder = 'other'")
        async with asyncio.timeout(5):
            await cancelled.wait()
        assert await consumer.fetchval("SELECT finished_at FROM schedule_runs") is None
