"""Every process of the receipts' way killed at random under load; recounted from the tills' own book."""

import asyncio
import math
import os
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.faults.conftest import Deploy
from tests.faults.deployment import Deployment
from tests.faults.harness import measured
from tests.faults.tills import Book, Tables, open_tables, tills
from tests.fixtures.brokers import Broker
from tests.fixtures.waiting import until

pytestmark = [pytest.mark.postgres, pytest.mark.broker, pytest.mark.faults, pytest.mark.timeout(480)]

SERVICES = ("ingest", "profile")
VICTIMS = ("ingest-api", "ingest-worker", "profile-worker", "profile-api")
PAUSE_SECONDS = (2.0, 4.0)
SECONDS_MAX = 240.0
KILLS = 60
KILLS_SHORT = 20
LEVEL_SECONDS = 90.0


@dataclass
class Killing:
    """Kills one process after the other and starts it again at once, as a supervisor would."""

    deployment: Deployment
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter)
    recovered_seconds: list[float] = field(default_factory=list)
    seconds: float = 0.0

    async def run(self, kills: int) -> None:
        """Kill so often; return when the last one killed is ready again."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for name in self._victims(kills):
                await asyncio.sleep(self.chance.uniform(*PAUSE_SECONDS))
                child = self.deployment.processes[name]
                child.kill()
                child.start()
                self.killed[name] += 1
                group.create_task(self._recovery(name))
            self.seconds = time.monotonic() - began

    def _victims(self, kills: int) -> list[str]:
        """Return whom to kill: every process equally often, in rounds of random order."""
        rounds = [self.chance.sample(VICTIMS, len(VICTIMS)) for _ in range(math.ceil(kills / len(VICTIMS)))]
        return [name for each in rounds for name in each][:kills]

    async def _recovery(self, name: str) -> None:
        """Note how long it takes to be ready again, unless it is killed before it is."""
        child = self.deployment.processes[name]
        starts, began = child.starts, time.monotonic()
        while child.starts == starts:
            if await self.deployment.is_ready(name):
                self.recovered_seconds.append(time.monotonic() - began)
                return
            await asyncio.sleep(0.1)

    def __str__(self) -> str:
        by_process = ", ".join(f"{name} {self.killed[name]}" for name in VICTIMS)
        times = sorted(self.recovered_seconds)
        if not times:
            return f"{by_process}; no process was ready again before its next kill"
        return f"{by_process}; ready again in {statistics.median(times):.1f} s (median), {times[-1]:.1f} s at most"


def kills_on(broker: Broker) -> int:
    """Sixty; fewer on the second broker, unless the whole matrix was asked for."""
    asked = os.environ.get("REGULARS_FAULTS_KILLS")
    if asked is not None:
        return int(asked)
    is_full = os.environ.get("REGULARS_FAULTS_FULL") == "1"
    return KILLS if is_full or broker.name.startswith("Tansu") else KILLS_SHORT


async def seconds_until_level(tables: Tables, book: Book) -> float:
    """Wait for profile to have everything; infinity when it never has: the count says then what is missing."""
    try:
        return await until(lambda: tables.holds(len(book.acknowledged)), LEVEL_SECONDS)
    except AssertionError:
        return math.inf


async def test_no_receipt_is_lost_and_none_counted_twice_while_every_process_is_killed(
    deploy: Deploy, any_private_broker: Broker
) -> None:
    seed = int(os.environ.get("REGULARS_TEST_SEED", random.randrange(2**32)))
    kills = kills_on(any_private_broker)
    book, ends = Book(), asyncio.Event()
    with deploy(SERVICES, bootstrap_servers=any_private_broker.bootstrap_servers) as deployment:
        killing = Killing(deployment, random.Random(seed))
        async with open_tables(deployment) as tables, deployment.client("ingest") as client:
            async with asyncio.TaskGroup() as group:
                for till in tills(book, seed):
                    group.create_task(till.send_until(ends, client))
                await killing.run(kills)
                ends.set()
            level = await seconds_until_level(tables, book)
            found = await tables.count(book)
    measured.append(
        f"receipts on {any_private_broker.name}: seed {seed}, {kills} kills in {killing.seconds:.0f} s ({killing});"
        f" {len(book.acknowledged)} receipts acknowledged, {book.repeats} repeated, {book.unanswered} sent again"
        f" unanswered; level {level:.1f} s after the last; {found}"
    )
    assert found.is_exact, measured[-1]
    assert killing.seconds <= SECONDS_MAX, measured[-1]
    assert len(book.acknowledged) > 0, "nothing was sent"
