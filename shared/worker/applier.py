"""One batch, one transaction: fence, compare, apply, keep what cannot be applied, move the positions, commit."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from shared import leases, tracing
from shared.db import Database, Transaction, is_transient, reason_of
from shared.events import Envelope, InvalidEvent, decode
from shared.events.forgetting import EXPIRED
from shared.leases import Lease
from shared.worker import metrics, positions
from shared.worker.domain import DEAD_LETTERS_IN_A_ROW_MAX, Incoming, Line, Position, advance
from shared.worker.subscription import Subscription

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that could not be applied, and why."""

    record: Incoming
    reason: str


@dataclass(slots=True)
class _Batch:
    """The run of one batch: what was handled, in order, and how many dead letters stand in a row on each line."""

    dead_run: dict[Line, int]
    handled: dict[Line, list[Incoming]] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)

    def done(self, record: Incoming) -> None:
        self.dead_run[record.line] = 0
        self.handled.setdefault(record.line, []).append(record)

    def kept(self, record: Incoming, reason: str) -> None:
        self.dead_run[record.line] += 1
        self.handled.setdefault(record.line, []).append(record)
        self.dead.append(DeadLetter(record, reason))

    def braked(self, line: Line) -> bool:
        return self.dead_run[line] >= DEAD_LETTERS_IN_A_ROW_MAX


Item = tuple[Incoming, Envelope[Any] | InvalidEvent | None]
"""A record and what it says; None: its content has expired, only its place is left."""


@dataclass(slots=True)
class Applier:
    """Applies batches of one service."""

    database: Database
    subscription: Subscription
    service: str
    code_version: str

    async def apply(
        self,
        lease: Lease,
        known: Mapping[Line, Position],
        ready: Sequence[Incoming],
        offsets: Mapping[Line, int],
    ) -> dict[Line, Position]:
        """Apply what is next on each line, and return the positions as they are after the commit.

        `offsets` says where the broker's records of a line end; lines in it may have nothing ready. No line may be
        standing still. Raises DeposedError when another worker has taken over and TransientError when nothing is
        known to have happened.
        """
        with tracing.span(
            f"process {self.service}", tracing.Kind.CONSUMER, links=(record.traceparent for record in ready)
        ) as span:
            span.tell("messaging.system", "kafka")
            span.tell("messaging.operation.type", "process")
            span.tell("messaging.consumer.group.name", self.service)
            span.tell("messaging.batch.message_count", len(ready))
            return await self._apply(lease, known, ready, offsets)

    async def _apply(
        self, lease: Lease, known: Mapping[Line, Position], ready: Sequence[Incoming], offsets: Mapping[Line, int]
    ) -> dict[Line, Position]:
        started = time.monotonic()
        items = [(record, _decoded(record)) for record in sorted(ready, key=lambda r: (r.line, r.seq))]
        touched = sorted({record.line for record in ready} | set(offsets))
        before = [known[line] for line in touched]
        batch = _Batch({position.line: _dead_run(position) for position in before})
        async with self.database.transaction() as tx:
            await leases.fence(tx, lease)
            await positions.lock_unmoved(tx, before)
            await self._attempt(tx, items, batch)
            await _keep(tx, batch.dead, self.code_version)
            after = [self._moved(position, batch, offsets) for position in before]
            await positions.store(tx, after)
        self._measure(batch, time.monotonic() - started)
        self._alert(before, after)
        return {position.line: position for position in after}

    async def _attempt(self, tx: Transaction, items: Sequence[Item], batch: _Batch) -> None:
        """Apply all, or halve until each event that fails stands alone and is kept as a dead letter."""
        items = [item for item in items if not batch.braked(item[0].line)]
        if not items:
            return
        try:
            async with tx.savepoint():
                await self.subscription.dispatch(tx, _valid(items))
        except Exception as error:
            if is_transient(error):
                raise
            if len(items) == 1:
                batch.kept(items[0][0], reason_of(error))
                return
            middle = len(items) // 2
            await self._attempt(tx, items[:middle], batch)
            await self._attempt(tx, items[middle:], batch)
            return
        for record, _ in items:
            batch.done(record)

    def _moved(self, position: Position, batch: _Batch, offsets: Mapping[Line, int]) -> Position:
        line = position.line
        return replace(
            advance(position, batch.handled.get(line, []), offsets.get(line)),
            dead_in_a_row=batch.dead_run[line],
            braked_version=self.code_version if batch.braked(line) else None,
        )

    def _alert(self, before: Sequence[Position], after: Sequence[Position]) -> None:
        """Say which lines stand still from now on: so many failures in a row are our fault, not the events'."""
        for earlier, position in zip(before, after, strict=True):
            if position.braked_version is not None and earlier.braked_version != position.braked_version:
                log.critical(
                    "worker.braked",
                    origin=position.origin,
                    topic=position.topic,
                    partition=position.partition,
                    seq=position.last_seq,
                    dead_in_a_row=position.dead_in_a_row,
                )

    def _measure(self, batch: _Batch, seconds: float) -> None:
        metrics.BATCH_SECONDS.labels(self.service).observe(seconds)
        for (_, topic), records in batch.handled.items():
            metrics.APPLIED.labels(self.service, topic).inc(len(records))
        for letter in batch.dead:
            metrics.DEAD.labels(self.service, letter.record.topic).inc()
            log.error(
                "worker.dead_letter",
                event_id=str(letter.record.event_id),
                topic=letter.record.topic,
                seq=letter.record.seq,
                reason=letter.reason,
            )


def _dead_run(position: Position) -> int:
    """Return how many dead letters stand in a row; code that goes on past another version's brake starts anew."""
    return 0 if position.braked_version is not None else position.dead_in_a_row


def _decoded(record: Incoming) -> Envelope[Any] | InvalidEvent | None:
    if record.body == EXPIRED:
        return None
    try:
        return decode(record.body)
    except InvalidEvent as invalid:
        return invalid


def _valid(items: Sequence[Item]) -> list[Envelope[Any]]:
    events = []
    for _, decoded in items:
        if isinstance(decoded, InvalidEvent):
            raise decoded
        if decoded is not None:
            events.append(decoded)
    return events


async def _keep(tx: Transaction, letters: Sequence[DeadLetter], code_version: str) -> None:
    if letters:
        await tx.executemany(
            "INSERT INTO dead_letters"
            " (origin, topic, partition, seq, event_id, type, reason, body, code_version)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            [
                (
                    r.origin,
                    r.topic,
                    r.partition,
                    r.seq,
                    r.event_id,
                    r.type,
                    letter.reason,
                    r.body,
                    code_version,
                )
                for letter in letters
                for r in [letter.record]
            ],
        )
