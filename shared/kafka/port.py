"""What this system asks of a Kafka-protocol broker: a handful of methods, so that nothing else knows a client."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from shared.errors import TransientError

Place = tuple[str, int]
Headers = tuple[tuple[str, bytes], ...]


class BrokerAwayError(TransientError):
    """The broker did not answer, or not in time; the same work may succeed later."""


@dataclass(frozen=True, slots=True)
class OutRecord:
    """A record to send, its partition already decided."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class InRecord:
    """A record as the broker gave it."""

    topic: str
    partition: int
    offset: int
    value: bytes
    headers: Headers


class Producer(Protocol):
    """Sends records and waits until the broker has them."""

    async def send(self, records: Sequence[OutRecord]) -> None:
        """Return when every record is acknowledged by all in-sync replicas; raise BrokerAwayError otherwise."""


class Subscriber(Protocol):
    """Reads from places of its own choosing; never a member of a group."""

    async def poll(self, timeout_seconds: float, records_max: int) -> list[InRecord]:
        """Return what has come, at most `records_max`, waiting up to the time-out for the first."""

    def hold(self, topics: Collection[str]) -> None:
        """Poll nothing of these topics until told otherwise; their places stay. All others are polled again."""

    async def settle_places(self) -> frozenset[str]:
        """Compare every place with the broker; return the topics of which everything that it has was polled.

        A place that the broker no longer has (it was emptied, truncated or recreated) moves to the beginning.
        Raises BrokerAwayError, also when the reader has heard nothing for too long: then open another one.
        """


class Broker(Protocol):
    """One broker, or a cluster of them."""

    def producer(self) -> AbstractAsyncContextManager[Producer]:
        """Open a producer; entering raises BrokerAwayError when no broker answers."""

    def subscriber(self, places: Mapping[Place, int]) -> AbstractAsyncContextManager[Subscriber]:
        """Open a reader at these offsets; entering raises BrokerAwayError when no broker answers."""

    async def ensure_topics(self, topics: Iterable[str], partitions: int) -> None:
        """Create the topics that are missing and give those that have fewer partitions the rest.

        Raises BrokerAwayError.
        """

    async def report(self, group: str, offsets: Mapping[Place, int]) -> None:
        """Tell the broker how far a group is, for lag tools only; raise BrokerAwayError when it did not take it."""

    async def close(self) -> None:
        """Drop every connection."""
