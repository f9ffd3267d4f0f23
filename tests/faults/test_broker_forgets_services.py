"""What the broker of all five services forgets, while receipts flow, comes back by itself, within seconds, once."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.faults.conftest import Shop
from tests.faults.count import CONSUMERS, Tables, open_tables
from tests.faults.deployment import Deployment
from tests.faults.harness import Child, measured, python
from tests.faults.tills import selling
from tests.fixtures.brokers import Broker, forget_everything
from tests.fixtures.processes.leaky_worker import LOST
from tests.fixtures.waiting import until

pytestmark = [pytest.mark.postgres, pytest.mark.broker, pytest.mark.faults, pytest.mark.timeout(300)]

TOPIC = "retail.receipts.v1"
PARTITIONS = 4
FLOWING_SECONDS = 2.0
AWAY_SECONDS = 2.0
GROWN_SECONDS = 60.0
STARTED_SECONDS = 20.0
# Some three times what was measured.
LEVEL_SECONDS = 10.0


async def test_a_broker_emptied_and_grown_past_the_old_offsets(shop: Shop) -> None:
    """The consumers are away meanwhile: at the places they remember there are other records when they are back."""
    workers = [shop.deployment.processes[f"{service}-worker"] for service in CONSUMERS]
    async with open_tables(shop.deployment) as tables:
        async with selling(shop.deployment, shop.tills):
            await asyncio.sleep(FLOWING_SECONDS)
            for worker in workers:
                worker.kill()
            remembered = await remembered_offsets(tables)
            forget_everything(shop.broker)
            await until(partial(has_grown_past, shop.broker, remembered), GROWN_SECONDS, pause_seconds=0.5)
            for worker in workers:
                worker.start()
        await until(partial(are_ready, shop.deployment, workers), STARTED_SECONDS)
        await assert_level(shop, tables, "emptied and grown past the old offsets")
        await assert_exact(shop, tables)


async def remembered_offsets(tables: Tables) -> dict[int, int]:
    """Return the farthest place that any consumer remembers in the receipts' topic, by partition."""
    farthest: dict[int, int] = {}
    for service in CONSUMERS:
        rows = await tables.databases[service].fetch(
            "SELECT partition, next_offset FROM positions WHERE topic = $1", TOPIC
        )
        for row in rows:
            farthest[row["partition"]] = max(farthest.get(row["partition"], 0), row["next_offset"])
    assert any(farthest.values()), "no consumer had read anything"
    return farthest


async def has_grown_past(broker: Broker, offsets: Mapping[int, int]) -> bool:
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers) as reader:
        if TOPIC not in await reader.topics():
            return False
        ends = await reader.end_offsets([TopicPartition(TOPIC, number) for number in offsets])
    return all(ends[TopicPartition(TOPIC, number)] > offset for number, offset in offsets.items())


async def are_ready(deployment: Deployment, children: Sequence[Child]) -> bool:
    return all([await deployment.is_ready(child.name) for child in children])


async def test_a_broker_killed_and_started_empty(shop: Shop) -> None:
    async with open_tables(shop.deployment) as tables:
        async with selling(shop.deployment, shop.tills):
            await asyncio.sleep(FLOWING_SECONDS)
            shop.broker.kill()
            sent_before = len(shop.book.acknowledged)
            await asyncio.sleep(AWAY_SECONDS)
            assert len(shop.book.acknowledged) > sent_before, "ingest did not accept without a broker"
            forget_everything(shop.broker)
            await assert_level(shop, tables, "killed and started empty, under load")
            await asyncio.sleep(FLOWING_SECONDS)
        await assert_level(shop, tables, "killed and started empty, some seconds later")
        await assert_exact(shop, tables)


async def test_one_record_missing_in_the_middle(shop: Shop) -> None:
    """Of each partition of the receipts: the broker acknowledged it, and does not have it."""
    publisher = shop.deployment.processes["ingest-worker"]
    lost_before = records_lost(publisher)
    async with open_tables(shop.deployment) as tables:
        with leaking(publisher):
            async with selling(shop.deployment, shop.tills):

                async def all_lost() -> bool:
                    return records_lost(publisher) == lost_before + PARTITIONS

                await until(all_lost, STARTED_SECONDS)
            await assert_level(shop, tables, "without one record in the middle of each partition")
        await assert_exact(shop, tables)


def records_lost(publisher: Child) -> int:
    return publisher.log_file.read_text().count(f"{LOST}: {TOPIC}")


@contextmanager
def leaking(publisher: Child) -> Iterator[None]:
    """Have ingest's worker lose records on their way to the broker."""
    sound = publisher.command
    try:
        restart(publisher, python("tests.fixtures.processes.leaky_worker", "worker"))
        yield
    finally:
        restart(publisher, sound)


def restart(child: Child, command: Sequence[str]) -> None:
    child.kill()
    child.command = command
    child.start()


async def assert_level(shop: Shop, tables: Tables, what: str) -> None:
    """Assert that what is acknowledged now is everywhere within seconds."""
    receipts = len(shop.book.acknowledged)
    seconds = await tables.seconds_until_level(shop.book, LEVEL_SECONDS)
    last = max(seconds, key=lambda place: seconds[place])
    measured.append(
        f"{shop.broker.name} {what}: all {receipts} receipts in all five services after {seconds[last]:.1f} s"
        f" ({last} last)"
    )
    assert seconds[last] <= LEVEL_SECONDS, f"{measured[-1]}; {await tables.count(shop.book)}"


async def assert_exact(shop: Shop, tables: Tables) -> None:
    found = await tables.count(shop.book)
    assert found.is_exact, str(found)
