"""The heads of all producers, asked for every two seconds and shared by every partition of a worker."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from shared.worker.domain import Head, Line
from shared.worker.source import Heads, LogSource, ProducerAwayError

log = structlog.get_logger()

POLL_SECONDS = 2.0


@dataclass(slots=True)
class HeadsBoard:
    """What the producers last said of themselves. A producer that is away keeps what it said before."""

    sources: Mapping[str, LogSource]
    polls: int = 0
    reachable: dict[str, bool] = field(default_factory=dict)
    _heads: dict[str, Heads] = field(default_factory=dict)

    async def run(self) -> None:
        """Keep asking until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Ask every producer once, all at the same time."""
        await asyncio.gather(*(self._poll_one(service, source) for service, source in self.sources.items()))
        self.polls += 1

    async def _poll_one(self, service: str, source: LogSource) -> None:
        try:
            origin, heads = await source.heads()
        except ProducerAwayError as away:
            if self.reachable.get(service, True):
                log.warning("worker.producer_away", producer=service, reason=str(away))
            self.reachable[service] = False
            return
        self.reachable[service] = True
        self._heads[origin] = heads

    def of(self, partition: int) -> dict[Line, Head]:
        """Return the head of every line of a partition."""
        return {
            (origin, topic): head
            for origin, heads in self._heads.items()
            for (topic, of_partition), head in heads.items()
            if of_partition == partition
        }

    def source_of(self, origin: str) -> LogSource:
        """Return where an origin's log is read: the producing service, whatever its incarnation."""
        return self.sources[origin.partition("#")[0]]
