"""One partition of one worker: read the broker, sort out what came, fill what is missing, apply.

Kafka is transport. What the broker lost, or never had, is fetched from the log of the producer that numbered it;
the broker's place is a hint, and only the position in this service's database counts.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from shared.errors import TransientError
from shared.kafka.port import Broker, BrokerAwayError, InRecord, Subscriber
from shared.leases import Lease
from shared.worker import metrics, positions
from shared.worker.applier import Applier
from shared.worker.board import HeadsBoard
from shared.worker.domain import Head, Incoming, Line, Position, due, fork_by_head
from shared.worker.progress import Progress
from shared.worker.source import ForkedError, ProducerAwayError

log = structlog.get_logger()

BATCH_RECORDS = 500
POLL_SECONDS = 0.25
AWAY_SECONDS = 1.0
POLLS_BEHIND = 2
"""How many polls in a row must find the broker empty and the log ahead before the log is read instead."""


@dataclass(slots=True)
class PartitionRunner:
    """Consumes one partition number across all topics, for as long as its lease holds."""

    applier: Applier
    broker: Broker
    board: HeadsBoard
    progress: Progress
    lease: Lease
    partition: int
    partitions: int
    _positions: dict[Line, Position] = field(default_factory=dict)
    _parked: dict[Line, int] = field(default_factory=dict)
    _behind: dict[Line, int] = field(default_factory=lambda: defaultdict(int))
    _polls_seen: int = 0
    _level_at: dict[Line, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Consume until cancelled or deposed. A broker or database that is away is tried again."""
        while True:
            try:
                await self._consume()
            except TransientError as away:
                log.warning("worker.away", partition=self.partition, reason=str(away))
                await asyncio.sleep(AWAY_SECONDS)

    async def _consume(self) -> None:
        loaded = await positions.load(self.applier.database, self.partition)
        self._positions = {position.line: position for position in loaded}
        topics = self.applier.subscription.topics
        await self.broker.ensure_topics(topics, self.partitions)
        places = {(topic, self.partition): self._offset_of(topic) for topic in topics}
        async with self.broker.subscriber(places) as subscriber:
            await subscriber.settle_places()
            while True:
                records = await subscriber.poll(POLL_SECONDS, BATCH_RECORDS)
                if records:
                    await self.take(records)
                await self._compare_with_heads(subscriber)

    def _offset_of(self, topic: str) -> int:
        return max((p.next_offset for p in self._positions.values() if p.topic == topic), default=0)

    async def take(self, records: Sequence[InRecord]) -> None:
        """Handle one poll of the broker: apply what is next, filling every gap on the way."""
        lines: dict[Line, list[Incoming]] = defaultdict(list)
        offsets: dict[str, int] = {}
        for record in records:
            offsets[record.topic] = record.offset + 1
            incoming = parsed(record)
            if incoming is not None:
                lines[incoming.line].append(incoming)
        ready = [record for line, of_line in lines.items() for record in await self._next_of(line, of_line)]
        ends = {line: offsets[line[1]] for line in lines if not self._stands_still(line)}
        await self._apply(ready, ends)

    async def _next_of(self, line: Line, records: Sequence[Incoming]) -> list[Incoming]:
        """Return what of a line can be applied now; close a gap before it, or park the line."""
        while True:
            position = self._position(line)
            if self._stands_still(line):
                return []
            if line in self._parked:
                self._parked[line] = max(self._parked[line], *(record.seq for record in records))
                return []
            sorted_out = due(position, records)
            metrics.REPEATS.labels(self.applier.service).inc(sorted_out.repeats)
            if sorted_out.fork is not None:
                await self._stop_forked(position, sorted_out.fork)
                return []
            if not sorted_out.beyond_gap:
                return sorted_out.ready
            await self._apply(sorted_out.ready, {})
            await self._fill(line, sorted_out.beyond_gap[0].seq - 1)
            if line in self._parked:
                self._parked[line] = max(record.seq for record in records)
            records = sorted_out.beyond_gap

    async def _fill(self, line: Line, up_to: int) -> None:
        """Fetch and apply from the producer's log up to a number; park the line if the producer is away."""
        while (position := self._position(line)).last_seq < up_to and not self._stands_still(line):
            try:
                page = await self.board.source_of(line[0]).after(position)
            except ProducerAwayError as away:
                log.warning("worker.parked", origin=line[0], topic=line[1], reason=str(away))
                self._parked[line] = up_to
                return
            except ForkedError as forked:
                await self._stop_forked(position, str(forked))
                return
            sorted_out = due(position, page)
            if sorted_out.fork is not None or not sorted_out.ready:
                await self._stop_forked(position, sorted_out.fork or f"nothing follows {position.last_seq}")
                return
            metrics.FILLED.labels(self.applier.service).inc(len(sorted_out.ready))
            await self._apply(sorted_out.ready, {})

    async def _apply(self, ready: Sequence[Incoming], offsets: dict[Line, int]) -> None:
        """Apply in one transaction; try again while the infrastructure is away, and never skip."""
        if not ready and not offsets:
            return
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            reraise=True,
        ):
            with attempt:
                moved = await self.applier.apply(self.lease, self._positions, ready, offsets)
        self._positions.update(moved)
        if ready:
            self.progress.moved()

    async def _compare_with_heads(self, subscriber: Subscriber) -> None:
        if self.board.polls == self._polls_seen:
            return
        at_end = False
        with suppress(BrokerAwayError):
            at_end = await subscriber.settle_places()
        await self._look_at_logs(at_end=at_end)

    async def _look_at_logs(self, *, at_end: bool) -> None:
        """Compare with what the producers say: notice forks, come back from parking, fill what the broker lost."""
        if self.board.polls == self._polls_seen:
            return
        self._polls_seen = self.board.polls
        for line, head in self.board.of(self.partition).items():
            if line[1] in self.applier.subscription.topics:
                await self._compare(line, head, at_end=at_end)
        self._measure()

    async def _compare(self, line: Line, head: Head, *, at_end: bool) -> None:
        position = self._position(line)
        if self._stands_still(line):
            return
        fork = fork_by_head(position, head)
        if fork is not None:
            await self._stop_forked(position, fork)
            return
        parked = self._parked.pop(line, 0)
        self._behind[line] = self._behind[line] + 1 if at_end and head.published > position.last_seq else 0
        if parked or self._behind[line] >= POLLS_BEHIND:
            await self._fill(line, max(parked, head.published))
            self._behind[line] = 0

    async def _stop_forked(self, position: Position, reason: str) -> None:
        """Stop a line whose producer has another history now: an alarm for a person, never a guess."""
        log.critical("worker.log_forked", origin=position.origin, topic=position.topic, reason=reason)
        metrics.FORKS.labels(self.applier.service).inc()
        stopped = replace(position, forked_reason=reason)
        async with self.applier.database.transaction() as tx:
            await positions.lock_unmoved(tx, [position])
            await positions.store(tx, [stopped])
        self._positions[position.line] = stopped

    def _position(self, line: Line) -> Position:
        return self._positions.setdefault(line, Position(*line, self.partition))

    def _stands_still(self, line: Line) -> bool:
        return self._position(line).stands_still(self.applier.code_version)

    def _measure(self) -> None:
        waiting = 0
        now = time.monotonic()
        for line, head in self.board.of(self.partition).items():
            if line[1] not in self.applier.subscription.topics:
                continue
            position = self._position(line)
            lag = max(head.numbered - position.last_seq, 0)
            level_at = self._level_at.setdefault(line, now) if lag else now
            self._level_at[line] = level_at
            labels = (self.applier.service, line[1], str(self.partition))
            metrics.LAG_RECORDS.labels(*labels).set(lag)
            metrics.LAG_SECONDS.labels(*labels).set(now - level_at)
            if not self._stands_still(line) and line not in self._parked:
                waiting += max(head.published - position.last_seq, 0)
        self.progress.lag(self.partition, waiting)


def parsed(record: InRecord) -> Incoming | None:
    """Read a record's headers; None for a record that no numbered log wrote, which is counted and passed over."""
    headers = dict(record.headers)
    try:
        prev = headers["prev"].decode()
        return Incoming(
            origin=headers["origin"].decode(),
            topic=record.topic,
            partition=record.partition,
            seq=int(headers["seq"]),
            event_id=UUID(headers["event_id"].decode()),
            prev_event_id=UUID(prev) if prev else None,
            type=headers["type"].decode(),
            body=record.value,
            offset=record.offset,
            traceparent=headers["traceparent"].decode() if "traceparent" in headers else None,
        )
    except (KeyError, ValueError) as error:
        log.warning("worker.foreign_record", topic=record.topic, offset=record.offset, reason=str(error))
        return None
