"""One rebuild from beginning to end: make the schema, fill it, compare, swap, tidy away."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    RetryError,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from shared import leases
from shared.clock import Clock
from shared.db import Database, PoolLimits, Transaction
from shared.errors import TransientError
from shared.leases import DeposedError, Lease
from shared.rebuild import beside
from shared.rebuild.beside import Schemas
from shared.rebuild.compare import compare
from shared.rebuild.domain import Plan, Rebuilt, TableShape, forks_said, moved_on, plan_of
from shared.rebuild.errors import AnotherRuns, RebuildFailed
from shared.rebuild.fill import Filler, forked_among, private_lease, served_by
from shared.rebuild.swap import hold_still, keep_vacuum_away, swap
from shared.revision import check_at_head
from shared.worker import positions
from shared.worker.applier import Applier
from shared.worker.source import LogSource
from shared.worker.subscription import Subscription
from shared.worker.tidying import Step, tidy

log = structlog.get_logger()

T = TypeVar("T")

LEASE_NAME = "rebuild"
TOP_UP_SECONDS = 1.0
"""Workers wait for as long as this; they may wait for a lock for two seconds."""
CLOSE_EVENTS = 1000
"""So near to live that the rest is topped up while workers wait."""
ROUNDS_MAX = 100
MEETING_SECONDS_MAX = 900.0
"""Longer than any snapshot should be held open by what trains, scores or exports."""
PAUSE_SECONDS_MAX = 5.0
LIVE_LIMITS = PoolLimits(size_max=4, command_seconds=30)
NEXT_LIMITS = PoolLimits(size_max=4, command_seconds=120, idle_in_transaction_seconds=60)
PATIENT_LIMITS = PoolLimits(
    size_min=0, size_max=2, command_seconds=6 * 3600, idle_in_transaction_seconds=6 * 3600, lock_wait_seconds=10
)
"""For what reads, or vacuums, whole tables."""

Say = Callable[[str], None]
Renew = Callable[[Transaction, str, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Rebuildable:
    """What a service adds to its rebuild.

    `tables`: what it declares. `discarded`: tables that handlers only add to and that nobody reads in a rebuild.
    `tidy`: the steps that take away from derived tables what time makes superfluous; the worker does them hourly, a
    rebuild on both sides as of one moment. `renew(tx, next_schema, now)` is called in the swap, where differences
    were accepted: it asks for what is computed from the derived tables to be computed anew.
    """

    tables: Callable[[], Sequence[TableShape]]
    discarded: Sequence[str] = ("events",)
    tidy: Sequence[Step] = ()
    renew: Renew | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted: only a comparison (`check`), or a swap though tables differ (`accept`)."""

    check: bool = False
    accept: bool = False


@dataclass(slots=True)
class Rebuild:
    """A rebuild of one service. `subscription` gives its handlers for a database."""

    service: str
    dsn: str
    migrations: Path
    rebuildable: Rebuildable
    subscription: Subscription
    live: Database
    next: Database
    patient: Database
    sources: Mapping[str, LogSource]
    schemas: Schemas
    clock: Clock
    holder: str
    code_version: str
    say: Say
    shapes: Sequence[TableShape] = field(init=False)

    def __post_init__(self) -> None:
        self.shapes = self.rebuildable.tables()

    async def run(self, asked: Asked) -> Rebuilt:
        """Rebuild. Raises RebuildRefused, RebuildFailed or TransientError; live is then as it was."""
        await check_at_head(self.live, self.migrations)
        lease = await leases.claim(self.live, LEASE_NAME, self.holder)
        if lease is None:
            raise AnotherRuns(f"another rebuild of {self.service} is under way; wait until it has ended")
        keeping = asyncio.create_task(leases.keep(self.live, lease))
        working = asyncio.create_task(self._run(asked, lease))
        try:
            await asyncio.wait({keeping, working}, return_when=asyncio.FIRST_COMPLETED)
            await (working if working.done() else keeping)
            return working.result()
        except DeposedError as deposed:
            raise RebuildFailed(f"this process stood still and another rebuild began ({deposed})") from deposed
        finally:
            for task in (keeping, working):
                task.cancel()
            await asyncio.gather(keeping, working, return_exceptions=True)
            await leases.release(self.live, [lease])

    async def _run(self, asked: Asked, lease: Lease) -> Rebuilt:
        await beside.drop(self.live, self.schemas)
        await self._say_need()
        try:
            return await self._rebuilt(asked, lease)
        finally:
            self.say("tidying away")
            await self._tidy_away()

    async def _tidy_away(self) -> None:
        """Drop what is not needed any more. What somebody still reads is left: it changes nothing of the outcome."""
        try:
            await beside.drop(self.live, self.schemas, tries=3)
        except (RebuildFailed, TransientError) as held:
            self.say(f"left for the next run: {held}")

    async def _say_need(self) -> None:
        needed = await beside.bytes_needed(self.live, self.schemas, self.shapes)
        self.say(f"preparing: needs about {needed / 1e6:,.0f} MB of the database's disk while it runs")

    async def _rebuilt(self, asked: Asked, lease: Lease) -> Rebuilt:
        await beside.make(self.dsn, self.migrations, self.live, self.schemas, self.rebuildable.discarded)
        plan = await self._plan()
        filling = _Filling(self, await self._filler(plan), plan, lease)
        rebuilt = await filling.compared()
        if asked.check or not (rebuilt.is_equal or asked.accept):
            return rebuilt
        return rebuilt.swapped(await filling.swapped(differs=not rebuilt.is_equal))

    async def _plan(self) -> Plan:
        applied = await positions.load_all(self.live)
        served = await served_by(self.sources)
        return plan_of(applied, served, await forked_among(self.sources, applied, served))

    async def _filler(self, plan: Plan) -> Filler:
        applier = Applier(self.next, self.subscription, self.service, self.code_version)
        told = Progress(self.say, plan.events)
        return Filler(self.next, applier, self.sources, await private_lease(self.next), told)


@dataclass(slots=True)
class _Filling:
    """What happens once the schema is there."""

    rebuild: Rebuild
    filler: Filler
    plan: Plan
    lease: Lease
    held_seconds: float = 0.0

    async def compared(self) -> Rebuilt:
        """Fill, and compare what live and new tables are at one moment."""
        rebuild = self.rebuild
        rebuild.say(f"filling: {self.plan.events:,} events")
        started = time.monotonic()
        await self._catch_up()
        seconds = time.monotonic() - started
        await self._tidy_both()
        await self._settle_in()
        async with AsyncExitStack() as stack:
            snapshot = await self._meet(lambda _: self._snapshot(stack))
            rebuild.say("comparing")
            findings = await compare(snapshot, rebuild.schemas, beside.derived(rebuild.shapes))
        return Rebuilt(rebuild.service, self.filler.applied, seconds, findings, forks_said(self.plan))

    async def _settle_in(self) -> None:
        """Let the planner know the new tables as well as it knows the live ones, before they serve."""
        schema = self.rebuild.schemas.next
        for shape in beside.derived(self.rebuild.shapes):
            await self.rebuild.patient.execute(f'VACUUM (ANALYZE) "{schema}"."{shape.name}"')

    async def _snapshot(self, stack: AsyncExitStack) -> Transaction:
        """Return a transaction that sees both sides as they are now, while nothing is applied."""
        await self._tidy_both()
        snapshot = await stack.enter_async_context(self.rebuild.patient.transaction(isolation="repeatable_read"))
        await snapshot.fetchval("SELECT 1")  # the snapshot is taken by the first statement
        return snapshot

    async def _tidy_both(self) -> None:
        now = self.rebuild.clock.now()
        for database in (self.rebuild.live, self.rebuild.next):
            await tidy(database, now, self.rebuild.rebuildable.tidy)

    async def swapped(self, *, differs: bool) -> float:
        """Swap the tables; return for how many seconds nothing was applied meanwhile."""
        rebuild = self.rebuild
        rebuild.say("swapping")

        async def act(tx: Transaction) -> None:
            if differs and rebuild.rebuildable.renew is not None:
                await rebuild.rebuildable.renew(tx, rebuild.schemas.next, rebuild.clock.now())
            await swap(tx, rebuild.schemas, beside.derived(rebuild.shapes))
            rebuild.say("swapping: about to take effect")

        await self._meet(act, alone=True)
        return self.held_seconds

    async def _catch_up(self) -> None:
        """Fill until live is so near that the rest takes no time."""
        for _ in range(ROUNDS_MAX):
            before = self.filler.applied
            self.plan = moved_on(self.plan, await positions.load_all(self.rebuild.live))
            await self.filler.up_to(self.plan.goals)
            if self.filler.applied - before <= CLOSE_EVENTS:
                return
        raise RebuildFailed("events are applied live as fast as they are here; run it again when less happens")

    async def _meet(self, act: Callable[[Transaction], Awaitable[T]], *, alone: bool = False) -> T:
        """Act while nothing is applied on either side and both are equally far; try again where locks are held."""

        async def meet() -> T:
            await self._catch_up()
            return await self._met(act, alone=alone)

        trying = AsyncRetrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_random_exponential(multiplier=0.2, max=PAUSE_SECONDS_MAX),
            stop=stop_after_delay(MEETING_SECONDS_MAX),
            before_sleep=_say_again,
        )
        try:
            return await trying(meet)
        except RetryError as busy:
            reason = busy.last_attempt.exception()
            raise RebuildFailed(f"the live tables were never free ({reason}); run it again later") from reason

    async def _met(self, act: Callable[[Transaction], Awaitable[T]], *, alone: bool) -> T:
        rebuild = self.rebuild
        async with rebuild.live.transaction() as tx:
            await leases.fence(tx, self.lease)
            if alone:
                await keep_vacuum_away(tx, rebuild.schemas, beside.derived(rebuild.shapes))
            await hold_still(tx, rebuild.schemas)
            held_at = time.monotonic()
            self.plan = moved_on(self.plan, await positions.load_all(tx))
            async with asyncio.timeout(TOP_UP_SECONDS):
                await self.filler.up_to(self.plan.goals)
            acted = await act(tx)
        self.held_seconds = time.monotonic() - held_at
        return acted


PROGRESS_SECONDS = 5.0


def _say_again(state: RetryCallState) -> None:
    reason = str(state.outcome.exception()) if state.outcome else ""
    log.info("rebuild.meeting_again", attempt=state.attempt_number, reason=reason)


class Progress:
    """Says how far the filling is, every few seconds."""

    def __init__(self, say: Say, events: int) -> None:
        self._say = say
        self._events = events
        self._began = self._said_at = time.monotonic()

    def __call__(self, applied: int) -> None:
        now = time.monotonic()
        if now - self._said_at >= PROGRESS_SECONDS:
            self._said_at = now
            rate = applied / (now - self._began)
            self._say(f"filling: {applied:,} of {self._events:,} events ({rate:,.0f}/s)")
