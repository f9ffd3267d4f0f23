"""A producer's log over HTTP: its heads, and the events after a place in it.

The wire form of a page is two lines an event: where it stands, then the envelope exactly as it was stored.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import httpx
import orjson

from shared.errors import TransientError
from shared.log.reader import Numbered
from shared.worker.domain import Head, Incoming, Position

PAGE_EVENTS = 500
PAGES_AT_ONCE = 4
PAGE_MEDIA_TYPE = "application/x-ndjson"
PAGE_TIMEOUT = httpx.Timeout(5.0, read=10.0)
HEADS_TIMEOUT = httpx.Timeout(2.0)
BUSY_TRIES = 5
BUSY_SECONDS = 0.4

Heads = Mapping[tuple[str, int], Head]


class ProducerAwayError(TransientError):
    """The producer's log did not answer; what it holds can be fetched later."""


class ForkedError(Exception):
    """The producer's log has another event at the place that was applied here."""


class LogSource(Protocol):
    """Where gaps are filled from."""

    async def heads(self) -> tuple[str, Heads]:
        """Return the log's origin and how far each partition goes; raise ProducerAwayError."""

    async def after(self, position: Position, events_max: int = PAGE_EVENTS) -> list[Incoming]:
        """Return what follows a position; raise ProducerAwayError or ForkedError."""


def page_lines(origin: str, rows: Iterable[Numbered]) -> Iterator[bytes]:
    """Write a page of a log."""
    for row in rows:
        place = {
            "origin": origin,
            "seq": row.seq,
            "event_id": str(row.event_id),
            "prev_event_id": None if row.prev_event_id is None else str(row.prev_event_id),
            "key": row.key,
            "type": row.type_name,
            "traceparent": row.traceparent,
        }
        yield orjson.dumps(place) + b"\n" + row.body + b"\n"


def read_page(topic: str, partition: int, page: bytes) -> list[Incoming]:
    """Read what `page_lines` wrote; raise ValueError when it is something else."""
    *lines, end = page.split(b"\n")
    if end:
        raise ValueError("the page is cut off")
    return [
        _incoming(topic, partition, orjson.loads(place), body)
        for place, body in zip(lines[0::2], lines[1::2], strict=True)
    ]


def _incoming(topic: str, partition: int, place: dict[str, Any], body: bytes) -> Incoming:
    prev = place["prev_event_id"]
    return Incoming(
        origin=place["origin"],
        topic=topic,
        partition=partition,
        seq=place["seq"],
        event_id=UUID(place["event_id"]),
        prev_event_id=UUID(prev) if prev else None,
        type=place["type"],
        body=body,
        traceparent=place["traceparent"],
    )


@dataclass(slots=True)
class HttpLogSource:
    """A producer's log at `GET /v1/log/…`, of which one process fetches a few pages at once."""

    client: httpx.AsyncClient
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PAGES_AT_ONCE))

    async def heads(self) -> tuple[str, Heads]:
        answer = await self._get("/v1/log/heads", {}, HEADS_TIMEOUT)
        with _readable(answer):
            said = answer.json()
            return said["origin"], {
                (head["topic"], head["partition"]): Head(head["numbered"], head["published"])
                for head in said["heads"]
            }

    async def after(self, position: Position, events_max: int = PAGE_EVENTS) -> list[Incoming]:
        query: dict[str, str | int] = {"after_seq": position.last_seq, "limit": events_max}
        if position.last_event_id is not None:
            query["after_event_id"] = str(position.last_event_id)
        async with self._turns:
            answer = await self._get(f"/v1/log/{position.topic}/{position.partition}", query, PAGE_TIMEOUT)
        with _readable(answer):
            if not answer.headers["Content-Type"].startswith(PAGE_MEDIA_TYPE):
                raise ValueError(answer.headers["Content-Type"])
            return read_page(position.topic, position.partition, answer.content)

    async def _get(self, path: str, query: Mapping[str, str | int], limits: httpx.Timeout) -> httpx.Response:
        """Ask, and ask again while the log has too many readers: after an outage all consumers come at once."""
        answer = await self._asked(path, query, limits)
        for attempt in range(1, BUSY_TRIES):
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            await asyncio.sleep(BUSY_SECONDS * attempt)
            answer = await self._asked(path, query, limits)
        if answer.status_code == httpx.codes.CONFLICT:
            raise ForkedError(answer.text[:500])
        if answer.status_code != httpx.codes.OK:
            raise ProducerAwayError(f"{self.client.base_url}{path}: {answer.status_code} {answer.text[:200]}")
        return answer

    async def _asked(self, path: str, query: Mapping[str, str | int], limits: httpx.Timeout) -> httpx.Response:
        try:
            return await self.client.get(path, params=query, timeout=limits)
        except httpx.HTTPError as error:
            raise ProducerAwayError(f"{self.client.base_url}{path}: {type(error).__name__}: {error}") from error


@contextmanager
def _readable(answer: httpx.Response) -> Iterator[None]:
    """Take an answer that is not a log's (something else listens there) for a producer that is away."""
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise ProducerAwayError(f"{answer.url}: not the answer of a log: {type(error).__name__}: {error}") from error
