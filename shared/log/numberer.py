"""The leader of a service's log: it gives every event its number, and carries it to the broker.

Leadership is a lease; every numbering transaction is fenced by its generation, so a leader that was frozen and
deposed numbers nothing. The numbers live in the leader's memory and are read again from the table after take-over
and after every commit whose outcome is not known.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from shared import leases
from shared.db import Database, Transaction, is_transient, reason_of
from shared.errors import TransientError
from shared.leases import DeposedError, Lease
from shared.log.append import Outgoing, archive
from shared.log.bell import Bell
from shared.log.domain import BACKLOG, LIVE, BacklogPace, EffortPace, Heads, Number, Waiting, within
from shared.log.metrics import LOG_HOOK_FAILURES, LOG_NUMBERED, LOG_WAITING
from shared.log.publisher import Publisher

log = structlog.get_logger()

LEASE_NAME = "numberer"
BATCH_SIZE = 2000

NumberingHook = Callable[[Transaction, Sequence[Waiting]], Awaitable[Sequence[Outgoing]]]
LaboriousFor = Callable[[Transaction, Sequence[Waiting]], Awaitable[Collection[UUID]]]
"""Which of these events mean work for the hook; the others cost it next to nothing."""


@dataclass(slots=True)
class Numberer:
    """Numbers and publishes one service's log for as long as it leads.

    `hook` runs inside the numbering transaction, in numbering order, on the events about to be numbered; what it
    returns is said and numbered right behind them. It is how ingest links identities in one agreed order. An event
    that the hook fails on is numbered all the same, and tried again at the next term. `laborious` says which events
    mean work for it: a batch ends before they are too many, since all others wait for the hook.
    """

    database: Database
    publisher: Publisher
    service: str
    topics: Sequence[str]
    partitions: int
    holder: str
    hook: NumberingHook | None = None
    laborious: LaboriousFor | None = None
    poll_seconds: float = 0.05
    _bell: Bell = field(default_factory=Bell)
    _pace: BacklogPace = field(default_factory=lambda: BacklogPace(BATCH_SIZE))
    _effort: EffortPace = field(default_factory=EffortPace)
    _was_cut: bool = False

    def wake(self) -> None:
        """Say that something was appended in this process, so that it is numbered without waiting for the poll."""
        self._bell.ring()

    async def run(self) -> None:
        """Try to lead, lead, and try again, until cancelled."""
        while not _is_told_to_stop():
            try:
                lease = await leases.claim(self.database, LEASE_NAME, self.holder)
                if lease is not None:
                    await asyncio.create_task(self._lead(lease), name="leading")
            except* DeposedError as deposed:
                log.warning("log.deposed", reason=str(deposed.exceptions[0]))
            except* TransientError as away:
                log.warning("log.away", reason=str(away.exceptions[0]))
            await asyncio.sleep(leases.RENEW_SECONDS / 2)

    async def _lead(self, lease: Lease) -> None:
        log.info("log.leading", generation=lease.generation)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(leases.keep(self.database, lease))
                tasks.create_task(self._number(lease))
                tasks.create_task(self.publisher.keep_topics())
                tasks.create_task(self.publisher.run())
        finally:
            await leases.release(self.database, [lease])

    async def _number(self, lease: Lease) -> None:
        heads = await self.make_up(lease, await self.read_heads())
        while True:
            # Looked at outside of a transaction first: the fence writes, and an idle log should not.
            if await self.database.fetchval("SELECT EXISTS (SELECT FROM unnumbered)"):
                numbers, heads = await self.number_once(lease, heads)
                self.publisher.wake()
                if len(numbers) >= BATCH_SIZE or self._was_cut:
                    continue
            await self._bell.wait(self.poll_seconds)

    async def read_heads(self) -> Heads:
        """Read the last number of each partition, after making sure that every earlier commit is settled."""
        await self.database.settle()
        heads = Heads()
        for topic in self.topics:
            rows = await self.database.fetch(
                "SELECT p.partition, n.seq, n.event_id FROM generate_series(0, $2 - 1) AS p (partition)"
                " CROSS JOIN LATERAL (SELECT seq, event_id FROM numbered WHERE topic = $1"
                " AND partition = p.partition::smallint ORDER BY seq DESC LIMIT 1) n",
                topic,
                self.partitions,
            )
            heads.last.update({(topic, row["partition"]): (row["seq"], row["event_id"]) for row in rows})
        return heads

    async def number_once(self, lease: Lease, heads: Heads) -> tuple[list[Number], Heads]:
        """Give one batch its numbers; return them and the new heads.

        Raises DeposedError when another process leads, TransientError when the outcome is not known: then `heads`
        must be read again before the next call.
        """
        async with self.database.transaction() as tx:
            await leases.fence(tx, lease)
            queued = await _first(tx, LIVE, BATCH_SIZE)
            queued += await _first(tx, BACKLOG, self._pace.quota(time.monotonic(), len(queued)))
            if not queued:
                return [], heads
            laborious = await self.laborious(tx, queued) if self.laborious is not None else ()
            waiting: list[Waiting] = []
            with self._watched(min(len(laborious), self._effort.allowed)):
                taken = within(queued, laborious, self._effort.allowed)
                await _take(tx, taken)
                waiting += [*taken, *await self._said_besides(tx, taken)]
            numbers, advanced = heads.assign(waiting, self.partitions)
            await _insert(tx, numbers)
        self._was_cut = len(taken) < len(queued)
        LOG_NUMBERED.labels(self.service).inc(len(numbers))
        LOG_WAITING.labels(self.service).set(0 if len(numbers) < BATCH_SIZE else len(numbers))
        return numbers, advanced

    @contextmanager
    def _watched(self, laborious: int) -> Iterator[None]:
        """Learn from a batch how many laborious events the next one may hold."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            if is_transient(error):
                self._effort.failed(laborious)
            raise
        self._effort.took(laborious, time.monotonic() - started)

    async def make_up(self, lease: Lease, heads: Heads) -> Heads:
        """Let the hook try again what it failed on before; number what it says now, and return the new heads.

        Raises what `number_once` raises.
        """
        if self.hook is None:
            return heads
        async with self.database.transaction() as tx:
            await leases.fence(tx, lease)
            said = await self._said_besides(tx, await _take_failed(tx, self._effort.allowed))
            numbers, advanced = heads.assign(said, self.partitions)
            if numbers:
                await _insert(tx, numbers)
            LOG_HOOK_FAILURES.labels(self.service).set(await tx.fetchval("SELECT count(*) FROM hook_failures"))
        return advanced

    async def _said_besides(self, tx: Transaction, waiting: Sequence[Waiting]) -> list[Waiting]:
        """Return what the hook says of these events; halve until one that it fails on stands alone, and go on.

        A hook with a bug would otherwise stop the log for everybody. What it should have done for that event is
        tried again at the next term, which begins with the mended code at the latest.
        """
        if self.hook is None or not waiting:
            return []
        try:
            async with tx.savepoint():
                return await _said_now(tx, await self.hook(tx, waiting))
        except Exception as error:
            if is_transient(error):
                raise
            if len(waiting) == 1:
                log.exception("log.hook_failed", event_id=str(waiting[0].event_id))
                tx.on_commit(LOG_HOOK_FAILURES.labels(self.service).inc)
                await _keep_failed(tx, waiting[0], error)
                return []
        middle = len(waiting) // 2
        halves = waiting[:middle], waiting[middle:]
        return [said for half in halves for said in await self._said_besides(tx, half)]


def _is_told_to_stop() -> bool:
    """Say whether this task was cancelled.

    Before Python 3.13 a task group that fails just then forgets it, and one that fails in this very task counts as
    its cancellation: hence the term's own task.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@dataclass(frozen=True, slots=True)
class _Queued(Waiting):
    """An event at its place in the queue, which only who holds the lease takes it out of."""

    lane: int
    arrival: int


async def _first(tx: Transaction, lane: int, limit: int) -> list[_Queued]:
    """Return the oldest of a lane, in their order."""
    if limit == 0:
        return []
    rows = await tx.fetch(
        "SELECT event_id, topic, key, lane, arrival FROM unnumbered WHERE lane = $1::smallint"
        " ORDER BY arrival LIMIT $2",
        lane,
        limit,
    )
    return [_Queued(*row) for row in rows]


async def _take(tx: Transaction, queued: Sequence[_Queued]) -> None:
    await tx.execute(
        "DELETE FROM unnumbered USING unnest($1::smallint[], $2::bigint[]) AS taken (lane, arrival)"
        " WHERE unnumbered.lane = taken.lane AND unnumbered.arrival = taken.arrival",
        [event.lane for event in queued],
        [event.arrival for event in queued],
    )


async def _keep_failed(tx: Transaction, event: Waiting, error: Exception) -> None:
    await tx.execute(
        "INSERT INTO hook_failures (event_id, topic, key, reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        event.event_id,
        event.topic,
        event.key,
        reason_of(error),
    )


async def _take_failed(tx: Transaction, events_max: int) -> list[Waiting]:
    rows = await tx.fetch(
        "DELETE FROM hook_failures WHERE event_id IN (SELECT event_id FROM hook_failures LIMIT $1)"
        " RETURNING event_id, topic, key",
        events_max,
    )
    return [Waiting(row["event_id"], row["topic"], row["key"]) for row in rows]


async def _said_now(tx: Transaction, events: Sequence[Outgoing]) -> list[Waiting]:
    return [Waiting(event.event_id, event.topic, event.key) for event in await archive(tx, events)]


async def _insert(tx: Transaction, numbers: Sequence[Number]) -> None:
    await tx.execute(
        "INSERT INTO numbered (topic, partition, seq, event_id, prev_event_id, key)"
        " SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::uuid[], $5::uuid[], $6::text[])",
        [number.topic for number in numbers],
        [number.partition for number in numbers],
        [number.seq for number in numbers],
        [number.event_id for number in numbers],
        [number.prev_event_id for number in numbers],
        [number.key for number in numbers],
    )
