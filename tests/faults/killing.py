"""Killing the processes of a deployment one after the other, under load."""

import asyncio
import math
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.faults.deployment import Deployment
from tests.fixtures.brokers import Broker, kills_on

PAUSE_SECONDS = (0.8, 1.6)


@dataclass
class Killing:
    """Kills one process after the other and starts it again at once, as a supervisor would."""

    deployment: Deployment
    broker: Broker
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter)
    recovered_seconds: list[float] = field(default_factory=list)
    seconds: float = 0.0

    async def run(self, kills: int, pause_seconds: tuple[float, float] = PAUSE_SECONDS) -> None:
        """Kill so often, with pauses between these; return when the last one killed is ready again."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for name in self._victims(kills):
                await asyncio.sleep(self.chance.uniform(*pause_seconds))
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
