"""Rule 21: bodies past their time go, places stay; the log answers `Expired`, and consumers pass over it."""

from datetime import timedelta
from typing import Any

import pytest

from shared.clock import FixedClock
from shared.db import Database
from shared.events.catalogue import topic_named
from shared.events.retention import keep
from shared.kafka.port import InRecord
from shared.log import LogReader
from shared.log.retention import EXPIRED_AT_ONCE, Retention
from shared.worker.source import page_lines
from tests.fixtures.core import (
    AT,
    PARTITIONS,
    TOPIC,
    DirectSource,
    facts,
    number_all,
    page_view,
    partition_runner,
    say,
    subject_in,
    taken,
)

NOW = AT + timedelta(days=1000)


async def aged(producer: Database, old: int, young: int) -> list[Any]:
    """Say events of one partition, some of them long ago; return all ids in their order."""
    subject = subject_in(0)
    events = [page_view(subject) for _ in range(old + young)]
    await say(producer, events)
    await number_all(producer)
    rows = await producer.fetch("SELECT event_id FROM numbered ORDER BY seq")
    ids = [row["event_id"] for row in rows]
    await producer.execute("UPDATE events SET stored_at = $1", NOW)
    await producer.execute(
        "UPDATE events SET stored_at = $2 WHERE event_id = ANY($1::uuid[])", ids[:old], NOW - timedelta(days=401)
    )
    return ids


def retention(producer: Database) -> Retention:
    return Retention(producer, FixedClock(NOW), (topic_named(TOPIC),), PARTITIONS)


async def records(producer: Database) -> list[InRecord]:
    reader = LogReader(producer, "ingest")
    rows = await reader.after(TOPIC, 0, 0, 10_000)
    found = [row.record(await reader.read_origin()) for row in rows]
    return [InRecord(r.topic, r.partition, i, r.value, r.headers) for i, r in enumerate(found)]


async def test_old_bodies_go_and_every_place_stays(producer: Database) -> None:
    ids = await aged(producer, old=EXPIRED_AT_ONCE + 5, young=5)
    before = await producer.fetch("SELECT * FROM numbered ORDER BY seq")
    await retention(producer).run()
    await retention(producer).run()
    left = await producer.fetch("SELECT event_id FROM events WHERE body <> ''")
    assert {row["event_id"] for row in left} == set(ids[-5:])
    assert await producer.fetch("SELECT * FROM numbered ORDER BY seq") == before


async def test_the_log_answers_expired_for_such_a_place(producer: Database) -> None:
    await aged(producer, old=1, young=1)
    await retention(producer).run()
    reader = LogReader(producer, "ingest")
    first, second = list(page_lines("ingest#1", await reader.after(TOPIC, 0, 0, 10)))
    assert b'"type":"Expired"' in first
    assert first.endswith(b"\n\n")
    assert b'"type":"PageViewed.v1"' in second


@pytest.mark.parametrize("from_log", [True, False])
async def test_a_consumer_passes_over_what_has_expired(
    producer: Database,
    consumer: Database,
    from_log: bool,  # noqa: FBT001
) -> None:
    ids = await aged(producer, old=7, young=3)
    await retention(producer).run()
    came = await records(producer)
    async with partition_runner(consumer, DirectSource(producer)) as running:
        await taken(running, came[-1:] if from_log else came)
    assert await facts(consumer) == set(ids[-3:])
    assert await consumer.fetchval("SELECT last_seq FROM positions WHERE partition = 0") == 10
    assert await consumer.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_an_old_body_behind_a_younger_one_goes_with_that(producer: Database) -> None:
    """Nothing behind the mark is ever looked at again: it may not pass what is still kept."""
    ids = await aged(producer, old=1, young=2)
    long_ago = NOW - timedelta(days=401)
    await producer.execute("UPDATE events SET stored_at = $2 WHERE event_id = $1", ids[2], long_ago)
    await retention(producer).run()
    left = await producer.fetch("SELECT event_id FROM events WHERE body <> ''")
    assert {row["event_id"] for row in left} == set(ids[1:])
    await producer.execute("UPDATE events SET stored_at = $2 WHERE event_id = $1", ids[1], long_ago)
    await retention(producer).run()
    assert await producer.fetchval("SELECT count(*) FROM events WHERE body <> ''") == 0


async def test_topics_without_a_time_keep_everything(producer: Database) -> None:
    await aged(producer, old=3, young=0)
    await Retention(producer, FixedClock(NOW), (topic_named("retail.receipts.v1"),), PARTITIONS).run()
    assert await producer.fetchval("SELECT count(*) FROM events WHERE body <> ''") == 3


async def test_a_deployment_keeps_a_topic_for_a_time_of_its_own(producer: Database) -> None:
    ids = await aged(producer, old=2, young=3)
    try:
        keep({TOPIC: 500})
        await retention(producer).run()
        assert await producer.fetchval("SELECT count(*) FROM events WHERE body <> ''") == 5
        keep({TOPIC: 30})
        await producer.execute(
            "UPDATE events SET stored_at = $2 WHERE event_id = $1", ids[2], NOW - timedelta(days=31)
        )
        await retention(producer).run()
        assert await producer.fetchval("SELECT count(*) FROM events WHERE body <> ''") == 2
    finally:
        keep({})
