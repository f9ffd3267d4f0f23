"""One partition of one worker: read the broker, sort out what came, fill what is missing, apply.

Kafka is transport. What the broker lost, or never had, is fetched from the log of the producer that numbered it;
the broker's place is a hint, and only the position in this service's database counts. A line is filled beside the
others, which flow on; its topic is not polled until then.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from shared import leases
from shared.errors import TransientError
from shared.kafka.port import Broker, BrokerAwayError, InRecord
from shared.leases import Lease
from shared.worker import metrics, positions
from shared.worker.applier import Applier
from shared.worker.board import HeadsBoard
from shared.worker.domain import (
    BATCH_RECORDS,
    Due,
    Head,
    Incoming,
    Line,
    Position,
    due,
    fork_by_head,
    fork_by_page,
)
from shared.worker.fills import Fills
from shared.worker.lag import Lag
from shared.worker.progress import Progress
from shared.worker.source import ForkedError, ProducerAwayError

log = structlog.get_logger()

POLL_SECONDS = 0.25
GATHER_SECONDS = 0.2
"""The shortest time from one batch to the next while not behind: a few large transactions instead of many small."""
AWAY_SECONDS = 1.0


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
    _moved_at: dict[Line, float] = field(default_factory=dict)
    _parked: dict[Line, int] = field(default_factory=dict)
    _published: dict[Line, int] = field(default_factory=dict)
    _polls_seen: int = 0
    _fills: Fills = field(default_factory=Fills)
    _applying: asyncio.Lock = field(default_factory=asyncio.Lock)
    _lag: Lag = field(init=False)

    def __post_init__(self) -> None:
        self._lag = Lag(self.applier.service, self.partition)

    async def run(self) -> None:
        """Consume until cancelled or deposed. A broker or database that is away is tried again."""
        self.progress.watch(self.partition, self._measure)
        try:
            while True:
                try:
                    await self._load()
                    await self._consume()
                except TransientError as away:
                    log.warning("worker.away", partition=self.partition, reason=str(away))
                    await self._fills.stop()
                    await asyncio.sleep(AWAY_SECONDS)
        finally:
            await self._fills.stop()
            self._lag.leave()

    async def _load(self) -> None:
        """Read the positions anew: a commit of unknown outcome may have moved them."""
        await self.applier.database.settle()
        loaded = await positions.load(self.applier.database, self.partition)
        self._positions = {position.line: position for position in loaded}
        self._moved_at = dict.fromkeys(self._positions, time.monotonic())

    async def _consume(self) -> None:
        topics = self.applier.subscription.topics
        try:
            await self.broker.ensure_topics(topics, self.partitions)
            places = {(topic, self.partition): self._offset_of(topic) for topic in topics}
            async with self.broker.subscriber(places) as subscriber:
                while True:
                    self._fills.look()
                    subscriber.hold(self._fills.topics)
                    records = await subscriber.poll(POLL_SECONDS, BATCH_RECORDS)
                    next_at = time.monotonic() + GATHER_SECONDS
                    await self.take(records)
                    if 0 < len(records) < BATCH_RECORDS:
                        await asyncio.sleep(max(next_at - time.monotonic(), 0.0))
                    if self.board.polls != self._polls_seen:
                        await self.compare_with_logs(at_end=await subscriber.settle_places())
        except BrokerAwayError:
            await self.compare_with_logs(at_end=frozenset(topics))  # there is nothing more at the broker now
            await self._fills.settle()
            raise

    def _offset_of(self, topic: str) -> int:
        return max((p.next_offset for p in self._positions.values() if p.topic == topic), default=0)

    async def take(self, records: Sequence[InRecord]) -> None:
        """Handle one poll of the broker: apply what is next; a line with a gap is filled beside the others first."""
        lines: dict[Line, list[Incoming]] = defaultdict(list)
        ends: dict[str, int] = {}
        for record in records:
            ends[record.topic] = record.offset + 1
            incoming = parsed(record)
            if incoming is not None and self.board.knows(incoming.origin):
                lines[incoming.line].append(incoming)
        ready: list[Incoming] = []
        offsets: dict[Line, int] = {}
        for line, of_line in lines.items():
            sorted_out = await self._sorted_out(line, of_line)
            if sorted_out.beyond_gap:
                self._fills.start(line, self._close_gap(line, sorted_out, ends[line[1]]))
            elif line not in self._fills:
                ready += sorted_out.ready
                offsets[line] = ends[line[1]]
        await self._apply(ready, offsets)

    async def _sorted_out(self, line: Line, records: Sequence[Incoming], *, filling: bool = False) -> Due:
        """Sort out what came of a line; nothing of one that stands still, is parked or is being filled.

        Of a line that cannot go on now the highest number that came is remembered, and is fetched later.
        """
        if self._stands_still(line):
            return Due()
        if line in self._parked or (line in self._fills and not filling):
            self._parked[line] = max(self._parked.get(line, 0), *(record.seq for record in records))
            return Due()
        position = self._position(line)
        sorted_out = due(position, records)
        metrics.REPEATS.labels(self.applier.service).inc(sorted_out.repeats)
        if sorted_out.fork is not None:
            await self._stop_forked(position, sorted_out.fork)
            return Due()
        return sorted_out

    async def _close_gap(self, line: Line, sorted_out: Due, offset: int) -> None:
        """Apply what came of a line, and what lies in between from the producer's log."""
        while sorted_out.beyond_gap:
            await self._apply(sorted_out.ready, {})
            await self._fill(line, sorted_out.beyond_gap[0].seq - 1)
            sorted_out = await self._sorted_out(line, sorted_out.beyond_gap, filling=True)
        await self._apply(sorted_out.ready, {line: offset})

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
            fork = fork_by_page(position, page)
            if fork is not None:
                await self._stop_forked(position, fork)
                return
            metrics.FILLED.labels(self.applier.service).inc(len(page))
            await self._apply(page, {})

    async def _apply(self, ready: Sequence[Incoming], offsets: dict[Line, int]) -> None:
        """Apply, and never skip: while the infrastructure fails, try again, in ever smaller transactions.

        A batch that takes longer than the database allows would fail for ever if it stayed as large.
        """
        rest = sorted(ready, key=lambda record: (record.line, record.seq))
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            before_sleep=self._say_again,
            reraise=True,
        ):
            size = max(len(ready) >> (attempt.retry_state.attempt_number - 1), 1)
            with attempt:
                while len(rest) > size:
                    await self._apply_once(rest[:size], {})
                    rest = rest[size:]
                await self._apply_once(rest, offsets)

    async def _apply_once(self, records: Sequence[Incoming], offsets: Mapping[Line, int]) -> None:
        flowing = [record for record in records if not self._stands_still(record.line)]
        ends = {line: offset for line, offset in offsets.items() if not self._stands_still(line)}
        if not flowing and not ends:
            return
        async with self._applying:
            moved = await self.applier.apply(self.lease, self._positions, flowing, ends)
            self._positions.update(moved)
        if flowing:
            self._moved_at.update(dict.fromkeys(moved, time.monotonic()))
            self.progress.moved(self.partition)

    def _say_again(self, state: RetryCallState) -> None:
        reason = str(state.outcome.exception()) if state.outcome else ""
        log.warning("worker.applying_again", partition=self.partition, attempt=state.attempt_number, reason=reason)

    async def filled(self) -> None:
        """Return when no line is being filled; raise what a fill failed with."""
        await self._fills.settle()

    async def compare_with_logs(self, *, at_end: frozenset[str]) -> None:
        """Compare with what the producers say: notice forks, come back from parking, fill what the broker lost.

        `at_end` names the topics of which the broker has nothing more. What was published at the last look and is
        not applied now, with nothing more to come, was lost.
        """
        if self.board.polls == self._polls_seen:
            return
        self._polls_seen = self.board.polls
        await self._see_releases()
        for line, head in self.board.of(self.partition).items():
            is_ours = line[1] in self.applier.subscription.topics
            if is_ours and line not in self._fills and not self._stands_still(line):
                await self._compare(line, head, at_end=line[1] in at_end)

    async def _see_releases(self) -> None:
        """Go on with lines that a person has released meanwhile."""
        if not any(self._stands_still(line) for line in self._positions):
            return
        for position in await positions.load(self.applier.database, self.partition):
            if self._stands_still(position.line):
                self._positions[position.line] = position

    async def _compare(self, line: Line, head: Head, *, at_end: bool) -> None:
        position = self._position(line)
        unmoved = self._moved_at.get(line, float("-inf")) < head.asked_at
        fork = fork_by_head(position, head) if unmoved else None
        if fork is not None:
            await self._stop_forked(position, fork)
            return
        parked = self._parked.pop(line, 0)
        lost = at_end and position.last_seq < self._published.get(line, 0)
        self._published[line] = head.published
        if parked or lost:
            self._fills.start(line, self._fill(line, max(parked, head.published)))

    async def _stop_forked(self, position: Position, reason: str) -> None:
        """Stop a line whose producer has another history now: an alarm for a person, never a guess."""
        log.critical("worker.log_forked", origin=position.origin, topic=position.topic, reason=reason)
        metrics.FORKS.labels(self.applier.service).inc()
        stopped = replace(position, forked_reason=reason)
        async with self._applying, self.applier.database.transaction() as tx:
            await leases.fence(tx, self.lease)
            await positions.lock_unmoved(tx, [position])
            await positions.store(tx, [stopped])
        self._positions[position.line] = stopped

    def _position(self, line: Line) -> Position:
        return self._positions.setdefault(line, Position(*line, self.partition))

    def _stands_still(self, line: Line) -> bool:
        return self._position(line).stands_still(self.applier.code_version)

    def _measure(self) -> int:
        """Show how far this partition is behind; return how many events could be applied now and are not."""
        topics = self.applier.subscription.topics
        heads = {line: head for line, head in self.board.of(self.partition).items() if line[1] in topics}
        self._lag.show(heads, self._positions, self.applier.code_version)
        applicable = (line for line in heads if line not in self._parked and not self._stands_still(line))
        return sum(max(heads[line].published - self._position(line).last_seq, 0) for line in applicable)


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
