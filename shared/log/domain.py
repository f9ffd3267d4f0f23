"""The rules of numbering, without a database: which partition a key has, and which number comes next."""

import zlib
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeVar
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


EFFORT_MAX = 500
EFFORT_SECONDS = 0.5
"""A numbering transaction longer than that holds up the leader's lease, which is renewed beside it."""


@dataclass(slots=True)
class EffortPace:
    """How many events that mean work for the hook a batch may hold, learned from how long batches took."""

    allowed: int = EFFORT_MAX

    def took(self, events: int, seconds: float) -> None:
        """Note how long a batch with so many of them took."""
        if seconds > EFFORT_SECONDS:
            self.failed(events)
        elif seconds < EFFORT_SECONDS / 4 and events >= self.allowed:
            self.allowed = min(2 * self.allowed, EFFORT_MAX)

    def failed(self, events: int) -> None:
        """Note that a batch with so many of them took too long, or came to nothing."""
        self.allowed = max(min(events, self.allowed) // 2, 1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits for its number."""

    event_id: UUID
    topic: str
    key: str


W = TypeVar("W", bound=Waiting)


def within(waiting: Sequence[W], laborious: Collection[UUID], allowed: int) -> list[W]:
    """Return the first of these events that hold no more than so many laborious ones, in their order."""
    taken = list(accumulate(event.event_id in laborious for event in waiting))
    return list(waiting[: bisect_right(taken, allowed)])


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
