"""Rule 8: a watermark only rises, and a crash between acknowledgement and watermark costs repeats, never events."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from shared.db import Database
from shared.kafka.port import BrokerAwayError, OutRecord
from shared.log.publisher import Publisher
from tests.faults.harness import Child, kill_at_random
from tests.fixtures.brokers import Broker
from tests.fixtures.core import PARTITIONS, TOPIC, consume, facts, number_all, page_view, running, say, worker
from tests.fixtures.waiting import until

Spawn = Callable[..., Child]


class RecordingBroker:
    """Stands for a broker in tests of the publisher's own bookkeeping; it can refuse the next sends."""

    def __init__(self) -> None:
        self.sent: list[OutRecord] = []
        self.refusals = 0
        self.topics_made = 0

    @asynccontextmanager
    async def producer(self) -> AsyncIterator["RecordingBroker"]:
        yield self

    async def send(self, records: Sequence[OutRecord]) -> None:
        self.sent += records
        if self.refusals:
            self.refusals -= 1
            raise BrokerAwayError("told to refuse")

    async def ensure_topics(self, topics: object, partitions: int) -> None:
        self.topics_made += 1


def publisher(database: Database, broker: RecordingBroker) -> Publisher:
    return Publisher(database, broker, "ingest", [TOPIC], PARTITIONS)  # type: ignore[arg-type]


async def watermarks(database: Database) -> dict[int, int]:
    rows = await database.fetch("SELECT partition, published_seq FROM watermarks")
    return {row["partition"]: row["published_seq"] for row in rows}


async def numbered(database: Database) -> dict[int, int]:
    rows = await database.fetch("SELECT partition, max(seq) AS seq FROM numbered GROUP BY 1")
    return {row["partition"]: row["seq"] for row in rows}


async def is_all_published(database: Database) -> bool:
    return await watermarks(database) == await numbered(database)


async def test_records_that_were_not_acknowledged_are_sent_again_before_the_watermark_moves(
    producer: Database,
) -> None:
    broker = RecordingBroker()
    broker.refusals = 1
    await say(producer, [page_view() for _ in range(40)])
    await number_all(producer)
    async with running(publisher(producer, broker).run()):
        await until(lambda: asyncio.sleep(0, broker.refusals == 0), 5)
        assert await watermarks(producer) == {}
        await until(lambda: is_all_published(producer), 5)
    assert len(broker.sent) == 80
    assert broker.topics_made >= 2


async def test_a_deposed_publisher_cannot_lower_a_watermark(producer: Database) -> None:
    await say(producer, [page_view() for _ in range(40)])
    await number_all(producer)
    slow = publisher(producer, RecordingBroker())
    slow._acked = {(TOPIC, number): 1 for number in range(PARTITIONS)}
    async with running(publisher(producer, RecordingBroker()).run()):
        await until(lambda: is_all_published(producer), 5)
    await slow._store_watermarks()
    assert await is_all_published(producer)


async def test_a_large_backlog_is_carried_in_batches_of_bounded_size(
    producer: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.log.publisher.BATCH_SIZE", 20)
    sizes: list[int] = []

    class Measuring(RecordingBroker):
        async def send(self, records: Sequence[OutRecord]) -> None:
            sizes.append(len(records))
            await super().send(records)

    broker = Measuring()
    await say(producer, [page_view() for _ in range(300)])
    await number_all(producer)
    async with running(publisher(producer, broker).run()):
        await until(lambda: is_all_published(producer), 10)
    assert max(sizes) <= 20
    assert len(broker.sent) == 300


@pytest.mark.broker
@pytest.mark.faults
async def test_a_publisher_killed_again_and_again_repeats_harmlessly(
    producer: Database, consumer: Database, spawn: Spawn, any_private_broker: Broker
) -> None:
    servers = any_private_broker.bootstrap_servers
    leaders = [spawn("leader", name, bootstrap_servers=servers) for name in ("first", "second")]
    seen: list[dict[int, int]] = []
    said: set[UUID] = set()
    async with running(consume(worker(consumer, producer, servers)), watch(producer, seen)):
        killing = asyncio.create_task(kill_at_random(leaders, random.Random(8), seconds=10, pause_seconds=(0.5, 2.5)))
        while not killing.done():
            said |= await say(producer, [page_view() for _ in range(25)])
            await asyncio.sleep(0.05)
        await until(lambda: _all_applied(consumer, said), 30)
        await until(lambda: is_all_published(producer), 10)
    assert sum((await killing).values()) >= 4
    assert await facts(consumer) == said
    assert await consumer.fetchval("SELECT count(*) FROM dead_letters") == 0
    assert_rising(seen)


async def watch(producer: Database, seen: list[dict[int, int]]) -> None:
    while True:
        seen.append(await watermarks(producer))
        await asyncio.sleep(0.02)


def assert_rising(seen: Sequence[dict[int, int]]) -> None:
    for partition in range(PARTITIONS):
        values = [marks.get(partition, 0) for marks in seen]
        assert values == sorted(values)


async def _all_applied(consumer: Database, said: set[UUID]) -> bool:
    return await facts(consumer) >= said
