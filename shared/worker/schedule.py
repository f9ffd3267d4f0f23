"""Recurring work of a service: each task runs in one worker at a time, at its interval, and says when it failed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared import leases
from shared.db import Database
from shared.errors import TransientError
from shared.leases import RENEW_SECONDS, DeposedError, Lease

log = structlog.get_logger()

LOOK_SECONDS = 1.0


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
        while True:
            try:
                if await self._is_due(task):
                    await self._run_leased(task)
            except DeposedError as deposed:
                log.warning("schedule.deposed", task=task.name, reason=str(deposed))
            except TransientError as away:
                log.warning("schedule.away", task=task.name, reason=str(away))
            await asyncio.sleep(min(LOOK_SECONDS, task.interval_seconds))

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
        renewing = asyncio.create_task(self._renew(lease))
        working = asyncio.ensure_future(self._run(task))
        try:
            await asyncio.wait({renewing, working}, return_when=asyncio.FIRST_COMPLETED)
            if renewing.done():
                renewing.result()
            await working
        finally:
            renewing.cancel()
            working.cancel()
            await asyncio.gather(renewing, working, return_exceptions=True)
            await leases.release(self.database, [lease])

    async def _run(self, task: ScheduledTask) -> None:
        await self.database.execute(
            "INSERT INTO schedule_runs (task, started_at) VALUES ($1, clock_timestamp()) ON CONFLICT (task)"
            " DO UPDATE SET started_at = excluded.started_at, finished_at = NULL, failure = NULL",
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
            failure = f"{type(error).__name__}: {error}"[:2000]
        await self.database.execute(
            "UPDATE schedule_runs SET finished_at = clock_timestamp(), failure = $2 WHERE task = $1",
            task.name,
            failure,
        )

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if not await leases.renew(self.database, [lease]):
                raise DeposedError(f"{lease.name}: generation {lease.generation} is over")
