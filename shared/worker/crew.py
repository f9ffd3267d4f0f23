"""Which partitions this worker holds: leases, a fair share among the living, and a runner for each."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from shared import leases
from shared.db import Database
from shared.errors import TransientError
from shared.leases import LEASE_SECONDS, RENEW_SECONDS, DeposedError, Lease
from shared.worker.domain import fair_share, lease_name
from shared.worker.progress import Progress

log = structlog.get_logger()

RunPartition = Callable[[Lease, int], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Crew:
    """Holds this worker's share of the partitions and runs each of them.

    A runner that was deposed just ends; one that fails otherwise ends the worker, because that is a bug.
    """

    database: Database
    holder: str
    partitions: int
    run_partition: RunPartition
    progress: Progress
    _held: dict[int, Lease] = field(default_factory=dict)
    _runners: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Keep the leases and the runners in step until cancelled; then give everything back."""
        try:
            while True:
                try:
                    await self.tend()
                except TransientError as away:
                    # Runners go on: what is no longer ours is fenced, and the next renewal tells.
                    log.warning("worker.leases_away", reason=str(away))
                await asyncio.sleep(RENEW_SECONDS)
        finally:
            held = list(self._held.values())
            await self._stop(list(self._runners))
            await leases.release(self.database, held)
            await self._leave()

    async def tend(self) -> None:
        """Renew what is held, claim what is free up to the fair share, give back what is beyond it."""
        await self._drop_finished()
        kept = await leases.renew(self.database, list(self._held.values()))
        await self._stop([number for number, lease in self._held.items() if lease.name not in kept])
        share = fair_share(self.partitions, *await self._living())
        surplus = sorted(self._held)[share:]
        given = [self._held[number] for number in surplus]
        await self._stop(surplus)
        await leases.release(self.database, given)
        for number in range(self.partitions):
            if len(self._held) >= share:
                break
            if number not in self._held:
                await self._claim(number)

    async def _claim(self, number: int) -> None:
        lease = await leases.claim(self.database, lease_name(number), self.holder)
        if lease is not None:
            log.info("worker.partition_taken", partition=number, generation=lease.generation)
            self._held[number] = lease
            self._runners[number] = asyncio.create_task(self.run_partition(lease, number), name=f"partition-{number}")

    async def _living(self) -> tuple[int, int]:
        """Say that this worker lives; return how many do, and how many of them come before it."""
        async with self.database.session() as session:
            await session.execute(
                "INSERT INTO worker_members (holder, expires_at) VALUES ($1, clock_timestamp() + $2)"
                " ON CONFLICT (holder) DO UPDATE SET expires_at = excluded.expires_at",
                self.holder,
                timedelta(seconds=LEASE_SECONDS),
            )
            await session.execute("DELETE FROM worker_members WHERE expires_at < clock_timestamp()")
            holders = [row["holder"] for row in await session.fetch("SELECT holder FROM worker_members")]
            return len(holders), sum(holder < self.holder for holder in holders)

    async def _drop_finished(self) -> None:
        for number, runner in list(self._runners.items()):
            if runner.done():
                self._forget(number)
                try:
                    await runner
                except DeposedError as deposed:
                    log.warning("worker.deposed", partition=number, reason=str(deposed))

    async def _stop(self, numbers: list[int]) -> None:
        stopping = [self._runners[number] for number in numbers if number in self._runners]
        for runner in stopping:
            runner.cancel()
        await asyncio.gather(*stopping, return_exceptions=True)
        for number in numbers:
            self._forget(number)

    def _forget(self, number: int) -> None:
        self._held.pop(number, None)
        self._runners.pop(number, None)
        self.progress.forget(number)

    async def _leave(self) -> None:
        """Count no more among the living; a database that is away is told by the membership's running out."""
        with suppress(TransientError):
            await self.database.execute("DELETE FROM worker_members WHERE holder = $1", self.holder)
