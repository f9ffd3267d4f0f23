"""The only wiring of the recommend service: settings, database, routes, memory, consuming, training.

numpy, FAISS and LightGBM take some 150 MB: what needs them is imported where an API or a training starts, so that a
worker or a migration does without.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from fastapi import FastAPI

from services.recommend.consumer import subscription
from services.recommend.domain.nightly import Nightly
from services.recommend.handlers import catalogue, nightly, outcomes, people, purchases, quality, segments
from services.recommend.holdings import HOLDINGS
from services.recommend.settings import Settings
from services.recommend.store import activity, changes, exposures
from shared import garbage, lean_lightgbm
from shared.clock import SystemClock
from shared.db import Database
from shared.errors import TransientError
from shared.events import topics_owned_by
from shared.http.app import create_app
from shared.http.erasures import router as erasures_router
from shared.http.exports import export_router
from shared.http.health import Check
from shared.http.log import router as log_router
from shared.keys import KeyRing
from shared.log.retention import Retention
from shared.rebuild.domain import TableShape
from shared.rebuild.run import Rebuildable
from shared.registry import Registry
from shared.service import Service, Work, database_checks, serving
from shared.worker.schedule import ScheduledTask

MIGRATIONS = Path(__file__).parent / "migrations"
FORGET_SECONDS = 3600.0
TRAIN_LOOK_SECONDS = 60.0
FORGET_CHANGES_SECONDS = 60.0
CHANGES_AT_ONCE = 5000


def build_api(settings: Settings) -> FastAPI:
    """Return the HTTP API."""
    lean_lightgbm.load()
    # Not at the top: the ML libraries are for this process alone.
    from services.recommend import desk  # noqa: PLC0415
    from services.recommend.api import ROUTERS, direct_routes  # noqa: PLC0415 - for the same reason

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with serving(app, "recommend", settings) as database:
            garbage.answer_evenly()
            app.state.measuring = _measuring(settings)
            app.state.registry = Registry(settings.models_folder, "recommend")
            async with desk.opened(settings, database, app.state.registry, app.state.clock) as opened:
                app.state.desk = opened
                yield

    app = create_app(
        service="recommend",
        keys=KeyRing(settings.keys_file),
        routers=[
            *ROUTERS,
            log_router,
            erasures_router,
            export_router(HOLDINGS),
        ],
        lifespan=lifespan,
        readiness=_ready_once(database_checks(lambda: app.state.database, MIGRATIONS)),
        settings=settings,
        description="What a customer is likely to buy next, why, and what goes with it.",
    )
    app.router.routes.insert(0, direct_routes())
    return app


def _measuring(settings: Settings) -> quality.Measuring:
    return quality.Measuring(settings.time_zone, settings.quality_window_days)


def _ready_once(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Ask until each holds for the first time: lists are answered from memory while the database is away."""
    passed: set[str] = set()

    def lasting(check: Check) -> Check:
        async def probe() -> None:
            try:
                await check.probe()
            except (TransientError, TimeoutError):
                if check.name not in passed:
                    raise
            passed.add(check.name)

        return Check(check.name, probe, check.timeout_seconds)

    return tuple(lasting(check) for check in checks)


@asynccontextmanager
async def open_work(settings: Settings, database: Database) -> AsyncIterator[Work]:
    """Yield what the worker does: apply events, forget what was shown too long ago."""
    clock = SystemClock(settings.clock_offset_file)

    async def forget_shown() -> None:
        await _forget_shown(database, clock.now() - timedelta(days=settings.shown_kept_days))

    async def forget_changes() -> None:
        async with database.session() as session:
            while await changes.forget(session, CHANGES_AT_ONCE):
                pass

    async def count_experiments() -> None:
        await outcomes.count_all(database, clock)

    async def measure_quality() -> None:
        await quality.measure(database, clock, _measuring(settings))

    async def count_segments() -> None:
        await segments.count_sales(database, clock)

    async def train_nightly() -> None:
        due = Nightly(None if settings.train_hour < 0 else settings.train_hour, settings.time_zone)
        await nightly.train_when_due(database, clock, due, settings.train_limit_seconds)

    expiring = Retention(database, clock, topics_owned_by("recommend"), settings.partitions)
    yield Work(
        subscription=subscription(settings.partitions),
        tasks=[
            ScheduledTask("forget-shown", FORGET_SECONDS, forget_shown),
            ScheduledTask("forget-changes", FORGET_CHANGES_SECONDS, forget_changes),
            ScheduledTask("count-experiments", settings.experiments_count_seconds, count_experiments),
            ScheduledTask("count-segments", settings.segments_seconds, count_segments),
            ScheduledTask("train-nightly", TRAIN_LOOK_SECONDS, train_nightly),
            ScheduledTask("measure-quality", settings.quality_seconds, measure_quality),
            ScheduledTask("expire-events", FORGET_SECONDS, expiring.run),
        ],
    )


async def _forget_shown(database: Database, before: datetime) -> None:
    """Delete lists shown before a moment, what was done with them, and what they tried."""
    async with database.session() as session:
        for forget in (activity.forget_shown, activity.forget_activity, exposures.forget_explored):
            while await forget(session, before):
                pass


def train(settings: Settings, arguments: Sequence[str]) -> None:
    """Train, judge, store and promote a version, offline."""
    lean_lightgbm.load()
    # Not at the top: the ML libraries are for this process alone.
    from services.recommend.training import run as training_run  # noqa: PLC0415

    training_run.train(settings, arguments)


def table_shapes() -> tuple[TableShape, ...]:
    """Return what is declared, for a rebuild."""
    # Not at the top: SQLAlchemy takes 32 MB, which no serving process needs.
    from services.recommend.tables import metadata  # noqa: PLC0415

    # Not at the top, for the same reason.
    from shared.rebuild.tables import shapes_of  # noqa: PLC0415

    return shapes_of(metadata)


SERVICE = Service(
    name="recommend",
    settings=Settings,
    migrations=MIGRATIONS,
    api=build_api,
    work=open_work,
    train=train,
    rebuild=Rebuildable(
        table_shapes, tidy=(purchases.forget_popularity, people.forget_views, catalogue.forget_prices)
    ),
)
