"""The watchdog ends a worker that does not move, with its own exit code, and no worker that has a reason to wait."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.db import Database
from shared.kafka.aio import KafkaBroker
from shared.log import LogReader
from tests.faults.harness import Child, measure
from tests.fixtures.brokers import Broker
from tests.fixtures.core import PARTITIONS, TOPIC, lead, number_all, numberer, page_view, running, say, subject_in
from tests.fixtures.waiting import until

Spawn = Callable[..., Child]

pytestmark = [pytest.mark.broker, pytest.mark.faults]

STALL_SECONDS = 3.0


async def consuming(consumer: Database) -> bool:
    held = await consumer.fetchval("SELECT count(*) FROM leases WHERE expires_at > clock_timestamp()")
    return bool(held == PARTITIONS)


@pytest.mark.parametrize("fault", ["await", "block", "cling"])
async def test_a_worker_whose_handler_hangs_ends_with_exit_code_70(
    producer: Database, consumer: Database, spawn: Spawn, private_broker: Broker, fault: str
) -> None:
    """It was level and idle before: who hangs in the first batch after that has reported no lag."""
    servers = private_broker.bootstrap_servers
    worker = spawn("service", "hanging", bootstrap_servers=servers, fault=fault, stall_seconds=STALL_SECONDS)
    async with running(lead(numberer(producer, servers))):
        await until(lambda: consuming(consumer), 20)
        await say(producer, [page_view() for _ in range(100)])
        seconds = await until(lambda: asyncio.sleep(0, worker.exit_code is not None), 15)
    measure(f"a worker whose handler hangs ({fault}), with {STALL_SECONDS:.0f} s allowed, ended after", seconds)
    assert worker.exit_code == os.EX_SOFTWARE == 70
    assert await consumer.fetchval("SELECT count(*) FROM applications") == 0


async def test_one_partition_that_hangs_is_noticed_while_the_others_move(
    producer: Database, consumer: Database, spawn: Spawn, private_broker: Broker
) -> None:
    """A poisoned partition must not hide behind the progress of the others."""
    servers = private_broker.bootstrap_servers
    worker = spawn("service", "partly", bootstrap_servers=servers, fault="await:0", stall_seconds=STALL_SECONDS)
    async with running(lead(numberer(producer, servers))):
        await until(lambda: consuming(consumer), 20)
        moving = [subject_in(number) for number in range(1, PARTITIONS)]
        await say(producer, [page_view(subject_in(0))])

        async def ended() -> bool:
            await say(producer, [page_view(subject) for subject in moving])
            return worker.exit_code is not None

        await until(ended, 30)
    assert worker.exit_code == os.EX_SOFTWARE
    assert await consumer.fetchval("SELECT count(*) FROM applications") > 0


async def test_a_worker_whose_lines_are_braked_lives_on(
    producer: Database, consumer: Database, spawn: Spawn, private_broker: Broker
) -> None:
    servers = private_broker.bootstrap_servers
    worker = spawn("service", "braked", bootstrap_servers=servers, fault="fail", stall_seconds=STALL_SECONDS)
    async with running(lead(numberer(producer, servers))):
        await until(lambda: consuming(consumer), 20)
        await say(producer, [page_view(subject_in(number)) for number in range(PARTITIONS) for _ in range(50)])
        await until(lambda: _braked(consumer, PARTITIONS), 20)
        await outlives_the_watchdog(worker)


async def _braked(consumer: Database, lines: int) -> bool:
    braked = await consumer.fetchval("SELECT count(*) FROM positions WHERE braked_version IS NOT NULL")
    return bool(braked == lines)


async def test_a_worker_whose_producer_is_away_lives_on_and_closes_the_gap_later(
    producer: Database, consumer: Database, spawn: Spawn, private_broker: Broker, tmp_path: Path
) -> None:
    servers, away_file = private_broker.bootstrap_servers, tmp_path / "away"
    worker = spawn(
        "service", "waiting", bootstrap_servers=servers, away_file=str(away_file), stall_seconds=STALL_SECONDS
    )
    await until(lambda: consuming(consumer), 20)
    away_file.touch()
    subject = subject_in(0)
    await say(producer, [page_view(subject) for _ in range(20)])
    await number_all(producer)
    await publish_without(producer, servers, seq=9)
    await until(lambda: _last_seq(consumer, 8), 10)
    await outlives_the_watchdog(worker)
    away_file.unlink()
    seconds = await until(lambda: _last_seq(consumer, 20), 15)
    measure("a producer that was away: its parked line level again after", seconds)


async def publish_without(producer: Database, servers: str, seq: int) -> None:
    broker = KafkaBroker(servers, "by-hand")
    reader = LogReader(producer, "ingest")
    async with broker.producer() as by_hand:
        rows = await reader.after(TOPIC, 0, 0, 1000)
        await by_hand.send([row.record(reader.origin) for row in rows if row.seq != seq])
    await broker.close()


async def _last_seq(consumer: Database, seq: int) -> bool:
    return bool(await consumer.fetchval("SELECT max(last_seq) FROM positions") == seq)


async def outlives_the_watchdog(worker: Child) -> None:
    """Nothing is awaited here: that nothing happens takes its time."""
    await asyncio.sleep(2 * STALL_SECONDS)
    assert worker.exit_code is None
