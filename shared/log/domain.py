"""The rules of numbering, without a database: which partition a key has, and which number comes next."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

LIVE = 0
BACKLOG = 1
"""Lanes of the queue for a number: what happened long ago is numbered behind what happens now."""
BACKLOG_PER_SECOND = 1000
"""While there is live traffic. Consumers apply several times as many, so that live events find them free."""
LIVE_SECONDS = 10.0
"""So long after the last live event the backlog still gives way; later it takes all there is."""


@dataclass(slots=True)
class BacklogPace:
    """How many events of the backlog a batch may take: a bounded share beside live traffic, else as many as fit."""

    batch_size: int
    _live_at: float = float("-inf")
    _taken_at: float = float("-inf")

    def quota(self, now: float, live: int) -> int:
        """Return the share of a batch that holds `live` live events. `now`: seconds of a steady clock."""
        if live:
            self._live_at = now
        if now - self._live_at > LIVE_SECONDS:
            self._taken_at = now
            return max(self.batch_size - live, 0)
        share = int(min((now - self._taken_at) * BACKLOG_PER_SECOND, self.batch_size))
        if share:
            self._taken_at = now
        return share


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits for its number."""

    event_id: UUID
    topic: str
    key: str


@dataclass(frozen=True, slots=True)
class Number:
    """The place that an event has for ever: `seq` is dense within its topic and partition."""

    topic: str
    partition: int
    seq: int
    event_id: UUID
    prev_event_id: UUID | None
    key: str


def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key: the same for every subject-keyed topic, so that a subject has one worker."""
    return zlib.crc32(key.encode()) % partitions


@dataclass(slots=True)
class Heads:
    """The last number and event of every partition, kept in memory by the leader alone."""

    last: dict[tuple[str, int], tuple[int, UUID]] = field(default_factory=dict)

    def assign(self, waiting: Iterable[Waiting], partitions: int) -> tuple[list[Number], "Heads"]:
        """Return the events' numbers, in the order given, and the heads as they will be once committed."""
        last = dict(self.last)
        numbers = []
        for event in waiting:
            place = (event.topic, partition_of(event.key, partitions))
            seq, prev = last.get(place, (0, None))
            numbers.append(Number(event.topic, place[1], seq + 1, event.event_id, prev, event.key))
            last[place] = (seq + 1, event.event_id)
        return numbers, Heads(last)
