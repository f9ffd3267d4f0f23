"""The only wiring of the churn service: settings, database, routes, consuming, scoring and training."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

from fastapi import FastAPI

from services.churn.api import router
from services.churn.consumer import subscription
from services.churn.handlers.requests import ask_again
from services.churn.handlers.running import run_next
from services.churn.holdings import HOLDINGS
from services.churn.settings import Settings
from services.churn.store.scores import OFFLINE
from shared import lean_lightgbm
from shared.clock import SystemClock
from shared.db import Database
from shared.http.app import create_app
from shared.http.erasures import router as erasures_router
from shared.http.exports import export_router
from shared.http.log import router as log_router
from shared.keys import KeyRing
from shared.rebuild.domain import TableShape
from shared.rebuild.run import Rebuildable
from shared.registry import Registry
from shared.service import Service, Work, database_checks, opened, serving
from shared.worker.schedule import ScheduledTask

MIGRATIONS = Path(__file__).parent / "migrations"


def build_api(settings: Settings) -> FastAPI:
    """Return the HTTP API."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with serving(app, "churn", settings):
            app.state.registry = registry_of(settings)
            yield

    app = create_app(
        service="churn",
        keys=KeyRing(settings.keys_file),
        routers=[router, log_router, erasures_router, export_router(HOLDINGS)],
        lifespan=lifespan,
        readiness=database_checks(lambda: app.state.database, MIGRATIONS),
        settings=settings,
        description="Who is about to leave, when, why, and how much money is at risk.",
    )
    return app


def registry_of(settings: Settings) -> Registry:
    return Registry(settings.data_dir / "models", "churn")


@asynccontextmanager
async def open_work(settings: Settings, database: Database) -> AsyncIterator[Work]:
    """Yield what the worker does: apply events, and run each scoring in a process of its own."""
    clock = SystemClock(settings.clock_offset_file)

    async def scoring() -> None:
        while await run_next(database, clock, settings.score_every_days, settings.time_zone):
            pass

    yield Work(
        subscription=subscription(),
        tasks=[ScheduledTask("score", settings.score_poll_seconds, scoring)],
    )


def train(settings: Settings, arguments: Sequence[str]) -> None:
    """Train on the facts, store, judge, promote; a line for each step, and a last one that says what came of it."""
    lean_lightgbm.load()
    # Only training and scoring processes load the model libraries; this module is also the API's.
    from services.churn.handlers import training  # noqa: PLC0415
    from services.churn.training import NotEnoughHistory  # noqa: PLC0415 - a model library as well

    parser = argparse.ArgumentParser(prog="python -m services.churn train")
    parser.add_argument("--as-of", type=date.fromisoformat, help="last day to learn from; default: all there is")
    parsed = parser.parse_args(arguments)

    async def run() -> training.Trained:
        async with opened(settings, "churn-train", OFFLINE) as database:
            return await training.train(
                database,
                registry_of(settings),
                as_of=parsed.as_of,
                at=SystemClock(settings.clock_offset_file).now(),
                currency=settings.currency,
                category_level=settings.category_level,
                progress=_say,
            )

    try:
        trained = asyncio.run(run())
    except NotEnoughHistory as refusal:
        sys.exit(f"not trained: {refusal}")
    outcome = "in use" if trained.verdict.passed else "stored, not in use"
    _say(f"{trained.manifest.version} {outcome}: {trained.verdict.reason}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def table_shapes() -> tuple[TableShape, ...]:
    """Return what is declared, for a rebuild."""
    # Not at the top: SQLAlchemy takes 32 MB, which no serving process needs.
    from services.churn.tables import metadata  # noqa: PLC0415

    # Not at the top, for the same reason.
    from shared.rebuild.tables import shapes_of  # noqa: PLC0415

    return shapes_of(metadata)


SERVICE = Service(
    name="churn",
    settings=Settings,
    migrations=MIGRATIONS,
    api=build_api,
    work=open_work,
    train=train,
    rebuild=Rebuildable(table_shapes, renew=ask_again),
)
