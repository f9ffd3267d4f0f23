"""Every process of all five services killed at random under load; recounted from the tills' own book."""

import asyncio
import math
import os
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.faults.conftest import Shop
from tests.faults.count import open_tables
from tests.faults.deployment import Deployment
from tests.faults.harness import measured
from tests.faults.tills import selling
from tests.fixtures.brokers import Broker, kills_on

pytestmark = [pytest.mark.postgres, pytest.mark.broker, pytest.mark.faults, pytest.mark.timeout(480)]

PAUSE_SECONDS = (0.8, 1.6)
SECONDS_MAX = 240.0
KILLS = 60
KILLS_SHORT = 20
# Some three times what was measured after the last kill.
LEVEL_SECONDS = 10.0


@dataclass
class Killing:
    """Kills one process after the other and starts it again at once, as a supervisor would."""

    deployment: Deployment
    broker: Broker
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
                kills_on[self.broker.name] += 1
                group.create_task(self._recovery(name))
            self.seconds = time.monotonic() - began

    def _victims(self, kills: int) -> list[str]:
        """Return whom to kill: every process equally often, in rounds of random order."""
        names = list(self.deployment.processes)
        rounds = [self.chance.sample(names, len(names)) for _ in range(math.ceil(kills / len(names)))]
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
        by_process = ", ".join(f"{name} {self.killed[name]}" for name in self.deployment.processes)
        times = sorted(self.recovered_seconds)
        if not times:
            return f"{by_process}; no process was ready again before its next kill"
        return f"{by_process}; ready again in {statistics.median(times):.1f} s (median), {times[-1]:.1f} s at most"


def kills_wanted(broker: Broker) -> int:
    """Sixty; fewer on the second broker, unless the whole matrix was asked for."""
    asked = os.environ.get("REGULARS_FAULTS_KILLS")
    if asked is not None:
        return int(asked)
    is_full = os.environ.get("REGULARS_FAULTS_FULL") == "1"
    return KILLS if is_full or broker.name.startswith("Tansu") else KILLS_SHORT


async def test_no_receipt_is_lost_and_none_counted_twice_while_every_process_is_killed(shop: Shop) -> None:
    kills, book, sold_before = kills_wanted(shop.broker), shop.book, len(shop.book.acknowledged)
    killing = Killing(shop.deployment, shop.broker, random.Random(shop.seed))
    async with open_tables(shop.deployment) as tables:
        async with selling(shop.deployment, shop.tills):
            await killing.run(kills)
        level = await tables.seconds_until_level(book, LEVEL_SECONDS)
        found = await tables.count(book)
    measured.append(
        f"receipts on {shop.broker.name}: seed {shop.seed}, {kills} kills in {killing.seconds:.0f} s ({killing});"
        f" {len(book.acknowledged)} receipts acknowledged, {book.repeats} repeated, {book.unanswered} sent again"
        f" unanswered; all five services level {max(level.values()):.1f} s after the last; {found}"
    )
    assert found.is_exact, measured[-1]
    assert max(level.values()) <= LEVEL_SECONDS, measured[-1]
    assert killing.seconds <= SECONDS_MAX, measured[-1]
    assert len(book.acknowledged) > sold_before, "nothing was sent"
