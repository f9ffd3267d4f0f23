"""What every kill test needs: processes to spawn and hurt, a ledger of what was acknowledged, a recount.

The recount reads nothing but the ledger and the final tables, so that it repeats no mistake of what it checks.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from uuid import UUID

import psutil

from regulars import processes

REPOSITORY = Path(__file__).resolve().parents[2]

measured: list[str] = []
"""What was measured in this run, written at its end; see `measure`."""


def measure(what: str, seconds: float) -> None:
    """Keep a measured time, to be written with the others at the end of the run."""
    measured.append(f"{what}: {seconds:.1f} s")


def drawn_seed(what: str) -> int:
    """Draw the seed of a run, or take REGULARS_TEST_SEED; kept at once, so that a run that breaks off names it."""
    seed = int(os.environ.get("REGULARS_TEST_SEED", random.randrange(2**32)))
    measured.append(f"{what}: seed {seed}")
    return seed


@dataclass
class Child:
    """A process that can be started, killed, frozen and resumed, any number of times."""

    name: str
    command: Sequence[str]
    folder: Path
    env: Mapping[str, str] | None = None
    starts: int = 0
    _process: Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        assert self._process is not None
        return self._process.poll()

    async def is_frozen(self) -> bool:
        return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    def start(self) -> None:
        self._process = processes.spawn(
            processes.Launch(self.command, self.log_file, self.env, REPOSITORY, leash_signal=signal.SIGKILL)
        )
        self.starts += 1

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by SIGKILL, frozen or not; nothing when it has ended."""
        if self._process is not None:
            processes.end(self._process, (signal.SIGKILL, 5.0))


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


@asynccontextmanager
async def started(*children: Child) -> AsyncIterator[None]:
    """Start children; none of them outlives the context."""
    try:
        for child in children:
            child.start()
        yield
    finally:
        for child in children:
            child.kill()


async def kill_at_random(
    children: Sequence[Child], chance: random.Random, *, seconds: float, pause_seconds: tuple[float, float]
) -> Counter[str]:
    """Kill one after the other by SIGKILL and start it again at once; return how often each was killed."""
    killed: Counter[str] = Counter()
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        await asyncio.sleep(chance.uniform(*pause_seconds))
        victim = chance.choice(children)
        victim.kill()
        victim.start()
        killed[victim.name] += 1
    return killed


@dataclass
class Ledger:
    """The generator's own book: the events that were acknowledged to it, each with what is to be counted for it."""

    acknowledged: dict[UUID, UUID] = field(default_factory=dict)
    sent: int = 0
    refused: int = 0

    def note(self, events: Iterable[tuple[UUID, UUID]]) -> None:
        """Write (event, subject) pairs down, after their acknowledgement."""
        self.acknowledged.update(events)

    def some(self, chance: random.Random, count: int) -> list[UUID]:
        """Return events that were acknowledged before, to be said again."""
        return chance.sample(list(self.acknowledged), min(count, len(self.acknowledged)))


@dataclass(frozen=True)
class Recount:
    """What the final tables hold, compared with a ledger."""

    lost: set[UUID]
    doubled: set[UUID]
    unasked: set[UUID]
    wrong_tallies: dict[UUID, tuple[int, int]]

    @property
    def is_exact(self) -> bool:
        return not (self.lost or self.doubled or self.unasked or self.wrong_tallies)


def recount(ledger: Ledger, applied: Iterable[UUID], tallies: Mapping[UUID, int]) -> Recount:
    """Compare every application, repeats included, and every subject's tally (ledger's first) with the ledger.

    An event whose acknowledgement never arrived may have been stored all the same; it counts as unasked, which a
    generator avoids by sending it again until it is acknowledged.
    """
    times = Counter(applied)
    expected = Counter(ledger.acknowledged.values())
    return Recount(
        lost=ledger.acknowledged.keys() - times.keys(),
        doubled={event_id for event_id, count in times.items() if count > 1},
        unasked=times.keys() - ledger.acknowledged.keys(),
        wrong_tallies={
            subject: (expected[subject], tallies.get(subject, 0))
            for subject in expected.keys() | tallies.keys()
            if expected[subject] != tallies.get(subject, 0)
        },
    )
