"""Recurring work of a service: each task runs in one worker at a time, at its interval, and says when it failed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared import leases
from shared.db import Database, reason_of
from shared.errors import TransientError
from shared.leases import DeposedError

log = structlog.get_logger()

LOOK_SECONDS = 1.0
PAUSE_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """Something to do every so often. It must be harmless to do it twice: a crash repeats it."""

    name: str
    interval_seconds: float
    run: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Scheduler:
    """Runs the tasks of one service for as long as it is given each one's lease."""

    database: Database
    holder: str
    tasks: Sequence[ScheduledTask]

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            for task in self.tasks:
                group.create_task(self._keep(task), name=f"schedule-{task.name}")

    async def _keep(self, task: ScheduledTask) -> None:
        away_in_a_row = 0
        while True:
            try:
                if await self._is_due(task):
                    await self._run_leased(task)
                away_in_a_row = 0
            except DeposedError as deposed:
                log.warning("schedule.deposed", task=task.name, reason=str(deposed))
            except TransientError as away:
                away_in_a_row += 1
                log.warning("schedule.away", task=task.name, times=away_in_a_row, reason=str(away))
                await self._note(task, away)
            await asyncio.sleep(pause_seconds(task.interval_seconds, away_in_a_row))

    async def _note(self, task: ScheduledTask, failure: TransientError) -> None:
        """Keep why a run was not finished, if that can be written now."""
        with suppress(TransientError):
            await self.database.execute(
                "UPDATE schedule_runs SET failure = $2 WHERE task = $1 AND finished_at IS NULL",
                task.name,
                reason_of(failure),
            )

    async def _is_due(self, task: ScheduledTask) -> bool:
        due: bool = await self.database.fetchval(
            "SELECT NOT EXISTS (SELECT 1 FROM schedule_runs WHERE task = $1 AND finished_at IS NOT NULL"
            " AND started_at > clock_timestamp() - $2::interval)",
            task.name,
            timedelta(seconds=task.interval_seconds),
        )
        return due

    async def _run_leased(self, task: ScheduledTask) -> None:
        lease = await leases.claim(self.database, f"schedule:{task.name}", self.holder)
        if lease is None:
            return
        renewing = asyncio.create_task(leases.keep(self.database, lease))
        working = asyncio.create_task(self._run(task))
        try:
            await asyncio.wait({renewing, working}, return_when=asyncio.FIRST_COMPLETED)
            await (renewing if renewing.done() else working)
        finally:
            renewing.cancel()
            working.cancel()
            await asyncio.gather(renewing, working, return_exceptions=True)
            await leases.release(self.database, [lease])

    async def _run(self, task: ScheduledTask) -> None:
        if not await self._is_due(task):  # asked again: another worker may have run it just before the claim
            return
        started_at = await self.database.fetchval(
            "INSERT INTO schedule_runs (task, started_at) VALUES ($1, clock_timestamp()) ON CONFLICT (task)"
            " DO UPDATE SET started_at = excluded.started_at, finished_at = NULL RETURNING started_at",
            task.name,
        )
        failure = None
        try:
            await task.run()
        except TransientError:
            raise
        except Exception as error:
            # A bug in one task must not end the others; it is kept, shown by `doctor`, and tried at its next time.
            log.exception("schedule.failed", task=task.name)
            failure = reason_of(error)
        await self.database.execute(
            "UPDATE schedule_runs SET finished_at = clock_timestamp(), failure = $3"
            " WHERE task = $1 AND started_at = $2",
            task.name,
            started_at,
            failure,
        )


def pause_seconds(interval_seconds: float, away_in_a_row: int) -> float:
    """Return how long to wait before looking again: longer each time that the infrastructure failed the task.

    A task that takes longer than a statement may would otherwise be run back to back.
    """
    longest = min(interval_seconds, PAUSE_SECONDS_MAX)
    return min(LOOK_SECONDS * 2.0 ** min(away_in_a_row, 10), longest)
