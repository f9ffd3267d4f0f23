"""The worker's part in scoring: take what was asked for or is due, and run it in a process of its own."""

import asyncio
import sys

import structlog

from services.churn import metrics
from services.churn.handlers.requests import ask_when_due
from services.churn.store import requests
from shared.clock import Clock
from shared.db import Database, Row

PROGRAM = (sys.executable, "-m", "services.churn.scoring_process")
SCORING_SECONDS_MAX = 3600.0
"""Far more than any scoring takes; one that hangs keeps the next from running for no longer than this."""

log = structlog.get_logger()


async def run_next(database: Database, clock: Clock, every_days: int, time_zone: str) -> bool:
    """Run the scoring that has waited longest, or the regular one when it is due; say whether there was one."""
    waiting = await requests.next_pending(database)
    if waiting is None and await ask_when_due(database, clock, every_days, time_zone):
        waiting = await requests.next_pending(database)
    if waiting is None:
        return False
    await _run(database, waiting, clock)
    return True


async def _run(database: Database, request: Row, clock: Clock) -> None:
    request_id, as_of = request["request_id"], request["as_of"].isoformat()
    end = await _end_of_process(str(request_id), as_of)
    # The process says itself why it failed; one that was killed, or lost its database, could not.
    await requests.fail(database, request_id, f"the scoring process {end}", clock.now())
    after = await requests.find(database, request_id)
    assert after is not None
    metrics.SCORINGS.labels(after["state"]).inc()
    if after["state"] == "failed":
        log.error("scoring.failed", as_of=as_of, reason=after["failure"])
    else:
        metrics.SCORED.set(after["result"]["customers"])


async def _end_of_process(*arguments: str) -> str:
    """Run the program; return how it ended. It does not outlive its time, or this worker's part in it."""
    process = await asyncio.create_subprocess_exec(*PROGRAM, *arguments)
    try:
        async with asyncio.timeout(SCORING_SECONDS_MAX):
            return f"ended with {await process.wait()}"
    except TimeoutError:
        return f"was ended after {SCORING_SECONDS_MAX:.0f} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
