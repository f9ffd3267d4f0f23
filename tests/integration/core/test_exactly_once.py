"""P1: leaders and workers killed under load, repeats said on purpose; recounted from the generator's own ledger."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from uuid import UUID, uuid4

import pytest

from shared.db import Database, DatabaseAwayError
from tests.faults.harness import Child, Ledger, Recount, drawn_seed, kill_at_random, measure, measured, recount
from tests.fixtures.brokers import Broker
from tests.fixtures.core import page_view, say
from tests.fixtures.waiting import until

Spawn = Callable[..., Child]

pytestmark = [pytest.mark.broker, pytest.mark.faults]

LOAD_SECONDS = 15.0
SUBJECTS = 200
BATCH = 20
REPEATED = 0.05


async def generate(producer: Database, ledger: Ledger, chance: random.Random, ends: asyncio.Event) -> None:
    """Say events until told to end; write down what was acknowledged; say every twentieth again."""
    subjects = [UUID(int=chance.getrandbits(128), version=4) for _ in range(SUBJECTS)]
    while not ends.is_set():
        fresh = [(uuid4(), chance.choice(subjects)) for _ in range(BATCH)]
        again = ledger.some(chance, round(BATCH * REPEATED))
        batch = [*fresh, *((event_id, ledger.acknowledged[event_id]) for event_id in again)]
        chance.shuffle(batch)
        await until(partial(acknowledged, producer, batch, ledger), 30)
        await asyncio.sleep(0.02)


async def acknowledged(producer: Database, batch: list[tuple[UUID, UUID]], ledger: Ledger) -> bool:
    ledger.sent += len(batch)
    try:
        await say(producer, [page_view(subject, event_id) for event_id, subject in batch])
    except DatabaseAwayError:
        ledger.refused += len(batch)
        return False
    ledger.note(batch)
    return True


async def result(consumer: Database, ledger: Ledger) -> Recount:
    applied = [row["event_id"] for row in await consumer.fetch("SELECT event_id FROM applications")]
    rows = await consumer.fetch("SELECT subject_id, events FROM tallies")
    return recount(ledger, applied, {row["subject_id"]: row["events"] for row in rows})


async def test_nothing_is_lost_and_nothing_doubled_while_processes_are_killed(
    producer: Database, consumer: Database, spawn: Spawn, any_private_broker: Broker
) -> None:
    seed = drawn_seed(f"kill loop on {any_private_broker.name}")
    chance = random.Random(seed)
    servers = any_private_broker.bootstrap_servers
    children = [
        spawn(role, f"{role}-{number}", bootstrap_servers=servers)
        for role in ("leader", "worker")
        for number in (1, 2)
    ]
    ledger, ends = Ledger(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(generate(producer, ledger, random.Random(seed + 1), ends))
        killed = await kill_at_random(children, chance, seconds=LOAD_SECONDS, pause_seconds=(0.5, 2.0))
        ends.set()

    async def nothing_missing() -> bool:
        return not (await result(consumer, ledger)).lost

    measured.append(
        f"kill loop on {any_private_broker.name}: seed {seed}, {sum(killed.values())} kills,"
        f" {len(ledger.acknowledged)} events, {ledger.sent - len(ledger.acknowledged)} said again"
    )
    seconds = await until(nothing_missing, 60)
    measure(f"kill loop on {any_private_broker.name}: level after the last kill after", seconds)
    found = await result(consumer, ledger)
    assert found.is_exact, f"seed {seed}: {found}"
    assert await consumer.fetchval("SELECT count(*) FROM dead_letters") == 0
    assert await consumer.fetchval("SELECT count(*) FROM positions WHERE forked_reason IS NOT NULL") == 0
