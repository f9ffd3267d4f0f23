"""The whole thread once: said, numbered, published, consumed, applied."""

import asyncio

from shared.db import Database
from shared.kafka.aio import KafkaBroker
from shared.worker.process import Worker
from tests.fixtures.brokers import Broker
from tests.fixtures.core import (
    PARTITIONS,
    SUBSCRIPTION,
    DirectSource,
    consume,
    facts,
    lead,
    numberer,
    page_view,
    say,
)
from tests.fixtures.waiting import until


async def test_events_said_by_a_producer_are_applied_once_by_a_consumer(
    producer: Database, consumer: Database, any_private_broker: Broker
) -> None:
    servers = any_private_broker.bootstrap_servers
    worker = Worker(
        "profile",
        consumer,
        KafkaBroker(servers, "w"),
        PARTITIONS,
        "w1",
        "1",
        SUBSCRIPTION,
        {"ingest": DirectSource(producer)},
    )
    events = [page_view() for _ in range(1000)]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(lead(numberer(producer, servers))),
            group.create_task(consume(worker)),
        ]
        await say(producer, events[:500])
        await say(producer, events[400:])

        async def all_applied() -> bool:
            return len(await facts(consumer)) == 1000

        await until(all_applied, 30)
        for task in tasks:
            task.cancel()
    assert await facts(consumer) == {event.event_id for event in events}
