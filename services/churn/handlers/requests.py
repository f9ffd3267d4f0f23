"""Asking for a scoring, waiting for it, and deciding when one is due."""

import asyncio
import time
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from services.churn.errors import AsOfInFuture, RequestNotFound
from services.churn.store import facts, requests, scores
from shared.clock import Clock
from shared.db import Database, Row, Transaction

LOOK_SECONDS = 0.1
SCHEDULE = "schedule"
REBUILD = "rebuild"
RETRY_AFTER = timedelta(hours=1)


def today(now: datetime, time_zone: str) -> date:
    """Return the date in the chain's zone."""
    return now.astimezone(ZoneInfo(time_zone)).date()


def last_ended_day(now: datetime, time_zone: str) -> date:
    """Return yesterday in the chain's zone: the last day of which everything may be known."""
    return today(now, time_zone) - timedelta(days=1)


async def ask(database: Database, as_of: date | None, asked_by: str, now: datetime, time_zone: str) -> UUID:
    """Queue a scoring for the worker. Raises AsOfInFuture for a day after today."""
    ended = last_ended_day(now, time_zone)
    if as_of is not None and as_of > ended + timedelta(days=1):
        raise AsOfInFuture("scores are as of the evening of a day that has come", field="as_of")
    request_id = uuid4()
    await requests.ask(database, request_id, as_of or ended, asked_by, now)
    return request_id


async def ask_again(tx: Transaction, next_schema: str, now: datetime) -> None:  # noqa: ARG001 (of a rebuild's shape)
    """Queue the last scoring once more: the facts that it rests on are about to be others."""
    last = await scores.last_scoring(tx)
    if last is not None:
        await requests.ask(tx, uuid4(), last.as_of, REBUILD, now)


async def wait(database: Database, request_id: UUID, seconds: float) -> Row:
    """Return a request as soon as it is finished, or as it stands after so long. Raises RequestNotFound."""
    deadline = time.monotonic() + seconds
    while True:
        row = await requests.find(database, request_id)
        if row is None:
            raise RequestNotFound("no scoring was asked for under this id")
        if row["state"] != "pending" or time.monotonic() >= deadline:
            return row
        await asyncio.sleep(LOOK_SECONDS)


async def ask_when_due(database: Database, clock: Clock, every_days: int, time_zone: str) -> UUID | None:
    """Queue the regular scoring when its day has come and that day's receipts are there; else do nothing.

    Without receipts of the day scored, data is missing, and everybody would seem silent.
    """
    now = clock.now()
    as_of = last_ended_day(now, time_zone)
    async with database.session() as session:
        last = await scores.last_scoring(session)
    if last is not None and (as_of - last.as_of).days < every_days:
        return None
    newest = await facts.last_day(database)
    if newest is None or newest < as_of or await requests.failed_since(database, as_of, now - RETRY_AFTER):
        return None
    return await ask(database, as_of, SCHEDULE, now, time_zone)
