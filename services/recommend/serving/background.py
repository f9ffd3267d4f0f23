"""Owns what goes on beside answering for as long as the process runs: a failure is told, and does not end it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from services.recommend import metrics

log = structlog.get_logger()

AGAIN_SECONDS = 1.0
"""What goes on by itself and ended all the same is begun again after so long."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something to do every so often; without `every_seconds` something that goes on by itself."""

    name: str
    run: Callable[[], Awaitable[None]]
    every_seconds: float | None = None


@asynccontextmanager
async def going_on(works: Sequence[Work]) -> AsyncIterator[None]:
    """Do all of these beside what is inside; they end with it."""
    tasks = [asyncio.create_task(_kept_up(work), name=work.name) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kept_up(work: Work) -> None:
    while True:
        if work.every_seconds is not None:
            await asyncio.sleep(work.every_seconds)
        try:
            await work.run()
        except Exception:
            # Whatever the bug is: answers must not go stale, unwritten or without the new version because of it.
            metrics.BACKGROUND_FAILURES.labels(work.name).inc()
            log.exception("background.failed", work=work.name)
        if work.every_seconds is None:
            await asyncio.sleep(AGAIN_SECONDS)
