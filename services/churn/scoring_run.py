"""One scoring, from the request's row to its result or the reason why there is none."""

import asyncio
from collections.abc import Sequence
from datetime import date
from uuid import UUID

import structlog

from services.churn.artefacts import SERVICE
from services.churn.handlers.scoring import Policy, score_customers, summary_of
from services.churn.settings import Settings
from services.churn.store import requests
from services.churn.store.scores import OFFLINE
from shared.clock import Clock, SystemClock
from shared.db import Database, reason_of
from shared.registry import Registry
from shared.telemetry import configure_logging

log = structlog.get_logger()


def main(arguments: Sequence[str]) -> None:
    """Score as of a day for a request: REQUEST_ID AS_OF."""
    request_id, as_of = arguments
    settings = Settings.load()
    configure_logging(settings.log_format, settings.log_level, SERVICE)
    asyncio.run(_score(settings, UUID(request_id), date.fromisoformat(as_of)))


async def _score(settings: Settings, request_id: UUID, as_of: date) -> None:
    clock = SystemClock(settings.clock_offset_file)
    dsn = settings.database_url.get_secret_value()
    database = await Database.connect(dsn, application=f"{SERVICE}-scoring", limits=OFFLINE)
    try:
        await score_asked(database, settings, clock, request_id, as_of)
    finally:
        await database.close()


async def score_asked(database: Database, settings: Settings, clock: Clock, request_id: UUID, as_of: date) -> None:
    """Do what was asked for; whoever waits is told when it comes to nothing, and why."""
    registry = Registry(settings.data_dir / "models", SERVICE)
    try:
        result = await score_customers(
            database, registry, policy_of(settings), as_of=as_of, at=clock.now(), request_id=request_id
        )
    except Exception as error:
        await requests.fail(database, request_id, reason_of(error), clock.now())
        raise
    log.info("scoring.done", summary=summary_of(result))


def policy_of(settings: Settings) -> Policy:
    return Policy(
        currency=settings.currency,
        category_level=settings.category_level,
        warning_share=settings.warning_share,
        cooldown_days=settings.cooldown_days,
        weeks_kept=settings.score_history_weeks,
    )
