"""Owns the version in the shadow: it makes a share of the lists once more, after they were answered, for nobody.

What waits is bounded and one list is made at a time, in a thread: under load lists are left out, never held up.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, replace
from random import Random

import structlog

from services.recommend.domain.requests import Answer, Request
from services.recommend.serving.live import Live, Present
from services.recommend.serving.past import Past
from services.recommend.store.models import ShadowRow, ShadowSums

log = structlog.get_logger()

WAITING_MAX = 32


@dataclass(frozen=True, slots=True)
class Answering:
    """A list that was answered: what was asked, of whom, and by what."""

    present: Present
    request: Request
    past: Past | None


class Shadow:
    """Compares the version in the shadow with the one in use."""

    def __init__(self, live: Live, draw: Random | None = None) -> None:
        """Shadow nothing until told which version."""
        self._live = live
        self._draw = draw or Random()  # noqa: S311 - which lists are looked at is no secret
        self._waiting: deque[Answering] = deque()
        self._has_more = asyncio.Event()
        self._sums: dict[str, ShadowSums] = {}
        self.row: ShadowRow | None = None

    def consider(self, answering: Answering) -> None:
        """Take a list along if it is among the share; never waits."""
        if self.row is None or self._draw.random() >= self.row.share:
            return
        if len(self._waiting) >= WAITING_MAX:
            self._add(self.row.version, ShadowSums(dropped=1))
            return
        self._waiting.append(answering)
        self._has_more.set()

    async def run(self) -> None:
        """Make what waits, one list at a time, for ever."""
        while True:
            await self._has_more.wait()
            self._has_more.clear()
            while self._waiting:
                await self._compare(self._waiting.popleft())

    async def _compare(self, answering: Answering) -> None:
        row = self.row
        present = None if row is None else self._live.version(row.version)
        if row is None or present is None or present.recommender is answering.present.recommender:
            return
        try:
            sums = await asyncio.to_thread(compared, answering, present)
        except Exception:
            # Whatever is wrong with a version that is only looked at: that is what the shadow is to find out.
            log.exception("shadow.failed", version=row.version)
            sums = ShadowSums(failures=1)
        self._add(row.version, sums)

    def _add(self, version: str, sums: ShadowSums) -> None:
        self._sums[version] = self._sums.get(version, ShadowSums()).plus(sums)

    def taken(self) -> dict[str, ShadowSums]:
        """Return what was found since the last time, to be written down."""
        found, self._sums = self._sums, {}
        return found

    def put_back(self, sums: dict[str, ShadowSums]) -> None:
        """Keep what could not be written down for the next time."""
        for version, found in sums.items():
            self._add(version, found)


def compared(answering: Answering, present: Present) -> ShadowSums:
    """Make the list with both versions, the one in use again: without rules, caps and exploration, by one thread."""
    request = replace(answering.request, spare=0, request_id=None)
    in_use, in_use_ms = _made(answering.present, request, answering.past)
    other, took_ms = _made(present, request, answering.past)
    return ShadowSums(1, agreement(in_use, other), took_ms, in_use_ms)


def agreement(one: Answer, other: Answer) -> float:
    """Return the share of products that both lists hold; two empty lists agree."""
    first, second = ({item.product_id for item in each.items} for each in (one, other))
    return len(first & second) / len(first | second) if first or second else 1.0


def _made(present: Present, request: Request, past: Past | None) -> tuple[Answer, float]:
    started = time.thread_time()
    answer = present.recommender.recommend(request, past)
    return answer, 1000 * (time.thread_time() - started)
