"""Carries numbered events to the broker, in order, and remembers how far each partition was acknowledged.

A crash between the acknowledgement and the watermark sends the same (event, seq) again, which consumers skip.
A broker that forgot everything is given its topics again, with all their partitions; what it had forgotten is
filled by the consumers from this log, so nothing is sent twice on its account.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from shared.db import Database
from shared.kafka.port import Broker, BrokerAwayError, OutRecord, Producer
from shared.log.bell import Bell
from shared.log.metrics import LOG_PUBLISH_FAILURES, LOG_PUBLISHED, LOG_UNPUBLISHED
from shared.log.reader import LogReader

log = structlog.get_logger()

BATCH_SIZE = 1000
WATERMARK_SECONDS = 0.2
TOPICS_SECONDS = 2.0
RETRY_SECONDS = 0.5

Place = tuple[str, int]


@dataclass(slots=True)
class Publisher:
    """Publishes one service's log. Runs inside the leader's term, and only there."""

    database: Database
    broker: Broker
    service: str
    topics: Sequence[str]
    partitions: int
    idle_seconds: float = 1.0
    _acked: dict[Place, int] = field(default_factory=dict)
    _stored: dict[Place, int] = field(default_factory=dict)
    _bell: Bell = field(default_factory=Bell)

    def wake(self) -> None:
        """Say that something was numbered."""
        self._bell.ring()

    async def run(self) -> None:
        """Publish until cancelled; a broker that is away is tried again, with everything not acknowledged."""
        self._acked = await self._read_watermarks()
        self._stored = dict(self._acked)
        while True:
            try:
                await self.broker.ensure_topics(self.topics, self.partitions)
                async with self.broker.producer() as producer:
                    await self._publish_until_it_fails(producer)
            except BrokerAwayError as away:
                LOG_PUBLISH_FAILURES.labels(self.service).inc()
                log.warning("log.broker_away", reason=str(away))
            await self._store_watermarks()
            await asyncio.sleep(RETRY_SECONDS)

    async def keep_topics(self) -> None:
        """Create missing topics again, until cancelled; run beside a send, which may be waiting for just that."""
        while True:
            await asyncio.sleep(TOPICS_SECONDS)
            with suppress(BrokerAwayError):
                await self.broker.ensure_topics(self.topics, self.partitions)

    async def _publish_until_it_fails(self, producer: Producer) -> None:
        stored_at = float("-inf")
        while True:
            sent = await self._publish_batch(producer)
            if time.monotonic() - stored_at > WATERMARK_SECONDS:
                await self._store_watermarks()
                stored_at = time.monotonic()
            if not sent:
                unstored = self._acked != self._stored
                await self._bell.wait(WATERMARK_SECONDS if unstored else self.idle_seconds)

    async def _publish_batch(self, producer: Producer) -> int:
        """Send the next records of every partition and wait for all of them; return how many there were."""
        reader = LogReader(self.database, self.service)
        heads = await reader.heads(self.topics, self.partitions)
        numbered = {(head.topic, head.partition): head.numbered for head in heads}
        LOG_UNPUBLISHED.labels(self.service).set(
            sum(seq - self._acked.get(place, 0) for place, seq in numbered.items())
        )
        behind = [place for place, seq in numbered.items() if seq > self._acked.get(place, 0)]
        records: list[OutRecord] = []
        reached: dict[Place, int] = {}
        for place in behind:
            rows = await reader.after(*place, self._acked.get(place, 0), max(BATCH_SIZE // len(behind), 1))
            if rows:
                records += [row.record(reader.origin) for row in rows]
                reached[place] = rows[-1].seq
        if records:
            await producer.send(records)
            self._acked.update(reached)
            LOG_PUBLISHED.labels(self.service).inc(len(records))
        return len(records)

    async def _read_watermarks(self) -> dict[Place, int]:
        rows = await self.database.fetch("SELECT topic, partition, published_seq FROM watermarks")
        return {(row["topic"], row["partition"]): row["published_seq"] for row in rows}

    async def _store_watermarks(self) -> None:
        moved = [(place, seq) for place, seq in self._acked.items() if seq > self._stored.get(place, 0)]
        if not moved:
            return
        await self.database.execute(
            "INSERT INTO watermarks (topic, partition, published_seq)"
            " SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[])"
            " ON CONFLICT (topic, partition) DO UPDATE"
            " SET published_seq = greatest(watermarks.published_seq, excluded.published_seq)",
            [place[0] for place, _ in moved],
            [place[1] for place, _ in moved],
            [seq for _, seq in moved],
        )
        self._stored.update(moved)
