"""Sends items to ingest in batches, a few at a time, waiting when it is told to, and keeps count of the answers."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import httpx
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_exponential

from regulars.answers import NotAnAnswer, document_of, wait_seconds_of
from regulars.errors import RegularsError

BATCH_ITEMS = 100
REQUESTS_AT_ONCE = 4
GIVE_UP_SECONDS = 120.0
REFUSALS_KEPT = 1000

JSON = {"Content-Type": "application/json"}

Item = dict[str, Any]
T = TypeVar("T")


class SendFailed(RegularsError):
    """Ingest refused a whole request, or could not be reached for two minutes."""


class NotNow(Exception):
    """Ingest is busy or away; `seconds` is how long it asked to wait."""

    def __init__(self, reason: str, seconds: float = 1.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclass(slots=True)
class Sent:
    """What came of what was sent: how many items by status, and the refused ones with their answers."""

    statuses: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[Item, Item]] = field(default_factory=list)

    @property
    def items(self) -> int:
        return self.statuses.total()

    def add(self, items: Sequence[Item], results: Sequence[Item]) -> None:
        for item, result in zip(items, results, strict=True):
            self.statuses[result["status"]] += 1
            if result["status"] in {"refused", "conflict"} and len(self.refused) < REFUSALS_KEPT:
                self.refused.append((item, result))


@dataclass(slots=True)
class Sender:
    """Posts to one deployment's ingest. `on_progress` hears after each batch how many items it had."""

    client: httpx.AsyncClient
    on_progress: Callable[[int], object] = int

    async def send(self, path: str, name: str, items: Iterable[Item], batch_items: int = BATCH_ITEMS) -> Sent:
        """Post `{name: [...]}` until the items end; return the count of answers.

        Batches go out in order, at most `REQUESTS_AT_ONCE` under way. Raises SendFailed.
        """
        sent = Sent()
        batches = _batches(items, batch_items)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(REQUESTS_AT_ONCE):
                    group.create_task(self._send_from(batches, path, name, sent))
        except* SendFailed as failed:
            raise SendFailed(str(failed.exceptions[0])) from failed
        return sent

    async def _send_from(self, batches: Iterator[list[Item]], path: str, name: str, sent: Sent) -> None:
        for batch in batches:
            sent.add(batch, await self.post(path, {name: batch}))
            self.on_progress(len(batch))

    async def post(self, path: str, body: Item) -> list[Item]:
        """Post one request, again while ingest is busy or away; return its results."""
        return await patiently(lambda: self._post_once(path, body), path)

    async def _post_once(self, path: str, body: Item) -> list[Item]:
        try:
            answer = await self.client.post(path, content=orjson.dumps(body), headers=JSON)
        except httpx.TransportError as error:
            raise NotNow(f"{type(error).__name__}: {error}") from error
        raise_unless_now(answer)
        if answer.status_code != httpx.codes.OK:
            raise SendFailed(f"{path}: {answer.status_code} {answer.text[:500]}")
        return _results_of(answer)


def _results_of(answer: httpx.Response) -> list[Item]:
    try:
        results = document_of(answer).get("results")
    except NotAnAnswer as other:
        raise SendFailed(str(other)) from None
    if not isinstance(results, list):
        raise SendFailed(f"{answer.request.url.path}: an answer without results; is that ingest?")
    return results


async def patiently(ask: Callable[[], Awaitable[T]], path: str) -> T:
    """Ask, again while ingest is busy or away. Raises SendFailed when it stays so."""
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(NotNow),
            wait=_as_asked,
            stop=stop_after_delay(GIVE_UP_SECONDS),
            reraise=True,
        ):
            with attempt:
                return await ask()
    except NotNow as away:
        raise SendFailed(f"{path}: {away}; gave up after {GIVE_UP_SECONDS:.0f} s") from away
    raise AssertionError("the loop above returns or raises")


def raise_unless_now(answer: httpx.Response) -> None:
    """Raise NotNow for an answer that asks to come back later."""
    if answer.status_code in {429, 503}:
        raise NotNow(answer.text[:200], wait_seconds_of(answer))


def _as_asked(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.seconds if isinstance(error, NotNow) else 1.0
    return max(asked, wait_exponential(multiplier=0.2, max=5)(state))


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
