"""The worker process of a service: it consumes, publishes and schedules, or only one of these."""

import asyncio
import os
import signal
import socket
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog

from shared.db import Database
from shared.errors import TransientError
from shared.kafka.port import Broker
from shared.leases import Lease
from shared.log.numberer import Numberer
from shared.worker.applier import Applier
from shared.worker.board import HeadsBoard
from shared.worker.crew import Crew
from shared.worker.progress import STALL_SECONDS, Progress, StalledError
from shared.worker.runner import PartitionRunner
from shared.worker.schedule import ScheduledTask, Scheduler
from shared.worker.source import LogSource
from shared.worker.subscription import Subscription
from shared.worker.watchdog import LoopWatchdog

log = structlog.get_logger()

WATCH_SECONDS = 1.0
REPORT_SECONDS = 5.0
ENDING_SECONDS = 5.0
"""How long a stalled worker may take to end in order."""


class Part(StrEnum):
    """A part of the worker that can be scaled alone."""

    CONSUME = "consume"
    PUBLISH = "publish"
    SCHEDULE = "schedule"


def holder_name(service: str) -> str:
    """Return a name for this process's leases that no other process has."""
    return f"{service}-{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"


@dataclass(slots=True)
class Worker:
    """Everything one worker process does. Parts without work (no subscription, no log, no tasks) are left out."""

    service: str
    database: Database
    broker: Broker
    partitions: int
    holder: str
    code_version: str
    subscription: Subscription | None = None
    sources: Mapping[str, LogSource] = field(default_factory=dict)
    numberer: Numberer | None = None
    tasks: Sequence[ScheduledTask] = ()
    stall_seconds: float = STALL_SECONDS
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = Progress(self.service, self.stall_seconds)

    async def run(self, parts: frozenset[Part] = frozenset(Part)) -> None:
        """Work until SIGTERM or SIGINT; then stop in order and give leases back.

        Raises StalledError (in a group) when the watchdog ends the process.
        """
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        try:
            async with asyncio.TaskGroup() as group:
                for work in self._works(parts):
                    group.create_task(work)
                await stopping.wait()
                log.info("worker.stopping")
                raise _Stopped  # noqa: TRY301 (ends the group)
        except* _Stopped:
            pass
        finally:
            await self.broker.close()

    def _works(self, parts: frozenset[Part]) -> list[Coroutine[Any, Any, None]]:
        works: list[Coroutine[Any, Any, None]] = []
        if Part.CONSUME in parts and self.subscription is not None:
            works += [self._consume(self.subscription), self._watch()]
        if Part.PUBLISH in parts and self.numberer is not None:
            works.append(self.numberer.run())
        if Part.SCHEDULE in parts and self.tasks:
            works.append(Scheduler(self.database, self.holder, self.tasks).run())
        return works

    async def _consume(self, subscription: Subscription) -> None:
        board = HeadsBoard(self.sources)
        applier = Applier(self.database, subscription, self.service, self.code_version)

        async def run_partition(lease: Lease, number: int) -> None:
            runner = PartitionRunner(applier, self.broker, board, self.progress, lease, number, self.partitions)
            await runner.run()

        crew = Crew(self.database, self.holder, self.partitions, run_partition, self.progress)
        async with asyncio.TaskGroup() as group:
            group.create_task(board.run())
            group.create_task(crew.run())
            group.create_task(self._report(subscription))

    async def _watch(self) -> None:
        watchdog = LoopWatchdog(self.stall_seconds)
        watchdog.start()
        try:
            while True:
                await asyncio.sleep(WATCH_SECONDS)
                watchdog.beat()
                self.progress.check()
        except StalledError:
            watchdog.end_within(ENDING_SECONDS)
            raise
        except BaseException:
            watchdog.stop()
            raise

    async def _report(self, subscription: Subscription) -> None:
        """Commit offsets to the broker's group, for lag tools and autoscalers only."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            try:
                await self._report_once(subscription)
            except TransientError as away:
                log.debug("worker.offsets_not_reported", reason=str(away))

    async def _report_once(self, subscription: Subscription) -> None:
        rows = await self.database.fetch(
            "SELECT topic, partition, max(next_offset) AS next_offset FROM positions"
            " WHERE topic = ANY($1) AND next_offset > 0 GROUP BY 1, 2",
            list(subscription.topics),
        )
        offsets = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        if offsets:
            await self.broker.report(self.service, offsets)


class _Stopped(Exception):
    """A signal asked the worker to end."""
