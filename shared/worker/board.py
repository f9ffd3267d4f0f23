"""The heads of all producers, asked for every two seconds and shared by every partition of a worker."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from shared.worker.domain import Head, Line
from shared.worker.source import Heads, LogSource, ProducerAwayError

log = structlog.get_logger()

POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Said:
    """What a producer said of its log: it is as far as that, or farther."""

    origin: str
    heads: Heads


@dataclass(slots=True)
class HeadsBoard:
    """What the producers last said of themselves. One that is away has nothing on the board."""

    sources: Mapping[str, LogSource]
    polls: int = 0
    _said: dict[str, _Said] = field(default_factory=dict)
    _away: set[str] = field(default_factory=set)

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
        asked_at = time.monotonic()
        try:
            origin, heads = await source.heads()
        except ProducerAwayError as away:
            if service not in self._away:
                log.warning("worker.producer_away", producer=service, reason=str(away))
            self._away.add(service)
            self._said.pop(service, None)
            return
        self._away.discard(service)
        dated = {place: replace(head, asked_at=asked_at) for place, head in heads.items()}
        self._said[service] = _Said(origin, dated)

    def of(self, partition: int) -> dict[Line, Head]:
        """Return the head of every line of a partition whose producer answers."""
        return {
            (said.origin, topic): head
            for said in self._said.values()
            for (topic, of_partition), head in said.heads.items()
            if of_partition == partition
        }

    def knows(self, origin: str) -> bool:
        """Say whether an origin is of a service whose log is consumed here."""
        return _service(origin) in self.sources

    def source_of(self, origin: str) -> LogSource:
        """Return where an origin's log is read: the producing service, whatever its incarnation."""
        return self.sources[_service(origin)]


def _service(origin: str) -> str:
    return origin.partition("#")[0]
