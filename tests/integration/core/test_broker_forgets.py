"""A broker that forgets: whatever it lost comes from the producers' logs, by itself, within seconds, once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import REGISTRY

from regulars.embedded.kafka import ApacheKafka
from shared.db import Database, DatabaseAwayError
from shared.kafka.aio import KafkaBroker
from shared.kafka.port import OutRecord
from shared.log import LogReader
from tests.faults.harness import measure
from tests.fixtures.brokers import Broker, forget_everything
from tests.fixtures.core import (
    PARTITIONS,
    TOPIC,
    consume,
    facts,
    lead,
    number_all,
    numberer,
    page_view,
    running,
    say,
    subject_in,
    worker,
)
from tests.fixtures.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.faults]

# Within seconds: each some three times the longest that was measured on either broker, and never under 3.
EMPTIED_SECONDS = 6.0
GROWN_PAST_SECONDS = 12.0
MISSING_SECONDS = 3.0
DELETED_SECONDS = 18.0
GONE_SECONDS = 7.0
SETTLED_SECONDS = 15.0


@dataclass
class Thread:
    """A producer, a broker and a consumer in this process, and all that was ever said."""

    producer: Database
    consumer: Database
    broker: Broker
    said: set[UUID]

    async def say(self, count: int) -> None:
        """Say events of every partition."""
        subjects = [subject_in(number) for number in range(PARTITIONS)]
        self.said |= await say(self.producer, [page_view(subjects[i % PARTITIONS]) for i in range(count)])

    async def all_applied(self) -> bool:
        return await facts(self.consumer) >= self.said

    async def all_published(self) -> bool:
        published: int = await self.producer.fetchval("SELECT coalesce(sum(published_seq), 0) FROM watermarks")
        return published >= len(self.said)

    async def assert_exact(self) -> None:
        """An event applied twice would be a dead letter here: facts are inserted plainly."""
        assert await facts(self.consumer) == self.said
        assert await self.consumer.fetchval("SELECT count(*) FROM dead_letters") == 0
        assert await self.consumer.fetchval("SELECT count(*) FROM positions WHERE forked_reason IS NOT NULL") == 0


@pytest.fixture
def thread(producer: Database, consumer: Database, any_private_broker: Broker) -> Thread:
    return Thread(producer, consumer, any_private_broker, set())


@pytest.fixture
def embedded(producer: Database, consumer: Database, private_broker: Broker) -> Thread:
    return Thread(producer, consumer, private_broker, set())


async def partition_count(broker: Broker) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    try:
        topics = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
        return len(topics.get(TOPIC, []))
    finally:
        await admin.close()


async def has_all_partitions(broker: Broker) -> bool:
    return await partition_count(broker) == PARTITIONS


async def test_a_broker_killed_and_started_empty_under_load(thread: Thread) -> None:
    async with running(
        lead(numberer(thread.producer, thread.broker.bootstrap_servers)),
        consume(worker(thread.consumer, thread.producer, thread.broker.bootstrap_servers)),
    ):
        await thread.say(200)
        await until(thread.all_applied, SETTLED_SECONDS)
        thread.broker.kill()
        await thread.say(200)
        await asyncio.to_thread(forget_everything, thread.broker)
        await thread.say(200)
        seconds = await until(thread.all_applied, EMPTIED_SECONDS)
        measure(f"{thread.broker.name} killed and started empty: converged after", seconds)
        await until(thread.all_published, SETTLED_SECONDS)
        await thread.say(200)
        seconds = await until(thread.all_applied, EMPTIED_SECONDS)
        measure(f"{thread.broker.name} killed and started empty: the next events applied after", seconds)
        await until(lambda: has_all_partitions(thread.broker), SETTLED_SECONDS)
    await thread.assert_exact()


async def test_a_broker_emptied_and_grown_past_the_old_offsets(thread: Thread) -> None:
    leading = numberer(thread.producer, thread.broker.bootstrap_servers)
    consuming = worker(thread.consumer, thread.producer, thread.broker.bootstrap_servers)
    async with running(lead(leading)):
        await thread.say(200)
        async with running(consume(consuming)):
            await until(thread.all_applied, SETTLED_SECONDS)
        await thread.say(40)
        await until(thread.all_published, SETTLED_SECONDS)
        await asyncio.to_thread(forget_everything, thread.broker)
        await thread.say(600)
        await until(thread.all_published, SETTLED_SECONDS)
        async with running(consume(consuming)):
            seconds = await until(thread.all_applied, GROWN_PAST_SECONDS)
            measure(f"{thread.broker.name} emptied and grown past the old offsets: converged after", seconds)
    await thread.assert_exact()


async def test_what_was_read_is_not_read_again(embedded: Thread, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker's word about its end must not send a reader back to the beginning every two seconds."""
    monkeypatch.setattr("shared.worker.board.POLL_SECONDS", 0.1)
    servers = embedded.broker.bootstrap_servers
    consuming = worker(embedded.consumer, embedded.producer, servers)
    repeats = REGISTRY.get_sample_value("consumer_repeats_total", {"service": "profile"}) or 0
    async with running(lead(numberer(embedded.producer, servers)), consume(consuming)):
        for _ in range(10):
            await embedded.say(100)
            await until(embedded.all_applied, SETTLED_SECONDS)
    assert REGISTRY.get_sample_value("consumer_repeats_total", {"service": "profile"}) == repeats
    await embedded.assert_exact()


async def test_one_record_missing_in_the_middle(thread: Thread) -> None:
    await thread.say(80)
    await number_all(thread.producer)
    broker = KafkaBroker(thread.broker.bootstrap_servers, "by-hand")
    await broker.ensure_topics([TOPIC], PARTITIONS)
    consuming = worker(thread.consumer, thread.producer, thread.broker.bootstrap_servers)
    async with running(consume(consuming)), broker.producer() as by_hand:
        await by_hand.send([each for number in range(PARTITIONS) for each in await records(thread, number, skip=9)])
        seconds = await until(thread.all_applied, MISSING_SECONDS)
        measure(f"{thread.broker.name} without one record in the middle: converged after", seconds)
    await broker.close()
    await thread.assert_exact()


async def records(thread: Thread, partition: int, skip: int) -> Sequence[OutRecord]:
    reader = LogReader(thread.producer, "ingest")
    rows = await reader.after(TOPIC, partition, 0, 1000)
    return [row.record(reader.origin) for row in rows if row.seq != skip]


async def test_a_topic_deleted_under_load_is_made_again_with_its_partitions(thread: Thread) -> None:
    async with running(
        lead(numberer(thread.producer, thread.broker.bootstrap_servers)),
        consume(worker(thread.consumer, thread.producer, thread.broker.bootstrap_servers)),
    ):
        await thread.say(200)
        await until(thread.all_applied, SETTLED_SECONDS)
        await delete_topic(thread.broker)
        await thread.say(200)
        seconds = await until(thread.all_applied, DELETED_SECONDS)
        measure(f"{thread.broker.name} with its topic deleted: converged after", seconds)
        await thread.say(200)
        await until(thread.all_applied, SETTLED_SECONDS)
        await until(lambda: has_all_partitions(thread.broker), SETTLED_SECONDS)
    await thread.assert_exact()


async def delete_topic(broker: Broker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([TOPIC])
    finally:
        await admin.close()


async def test_a_topic_that_the_broker_made_too_narrow_gets_its_partitions(thread: Thread) -> None:
    if not isinstance(thread.broker, ApacheKafka):
        pytest.skip("the embedded broker cannot widen a topic, and never makes one by itself")
    broker = KafkaBroker(thread.broker.bootstrap_servers, "by-hand")
    await broker.ensure_topics([TOPIC], 1)
    assert await partition_count(thread.broker) == 1
    async with running(
        lead(numberer(thread.producer, thread.broker.bootstrap_servers)),
        consume(worker(thread.consumer, thread.producer, thread.broker.bootstrap_servers)),
    ):
        await thread.say(40)
        await until(thread.all_applied, SETTLED_SECONDS)
    await broker.close()
    assert await partition_count(thread.broker) == PARTITIONS


async def test_what_was_published_is_applied_although_the_broker_is_gone(embedded: Thread) -> None:
    """The broker is only the transport: while it is away, the logs are read instead."""
    async with running(lead(numberer(embedded.producer, embedded.broker.bootstrap_servers))):
        await embedded.say(200)
        await until(embedded.all_published, SETTLED_SECONDS)
    embedded.broker.kill()
    async with running(consume(worker(embedded.consumer, embedded.producer, embedded.broker.bootstrap_servers))):
        seconds = await until(embedded.all_applied, GONE_SECONDS)
        measure(f"{embedded.broker.name} gone after publishing: converged after", seconds)
    await embedded.assert_exact()


async def test_a_database_that_is_away_for_a_moment_does_not_end_the_worker(
    embedded: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in a batch nor in the reports to the broker."""
    monkeypatch.setattr("shared.worker.process.REPORT_SECONDS", 0.05)
    servers = embedded.broker.bootstrap_servers
    async with running(
        lead(numberer(embedded.producer, servers)),
        consume(worker(embedded.consumer, embedded.producer, servers)),
    ):
        for _ in range(5):
            await embedded.say(100)
            for database in (embedded.consumer, embedded.producer):
                await cut_sessions(database)
                await until(partial(answers, database), 5)
        await until(embedded.all_applied, SETTLED_SECONDS)
    await embedded.assert_exact()


async def cut_sessions(database: Database) -> None:
    await database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
    )


async def answers(database: Database) -> bool:
    try:
        await database.ping()
    except DatabaseAwayError:
        return False
    return True
