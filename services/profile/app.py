"""The only wiring of the profile service: settings, database, routes, consuming and scheduled work."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from services.profile.api import direct_routes, router
from services.profile.clients import Relations
from services.profile.consumer import subscription
from services.profile.domain.profile import Chain
from services.profile.handlers import refresh
from services.profile.handlers.forgetting import forget_moments
from services.profile.holdings import HOLDINGS
from services.profile.settings import Settings
from shared.clock import SystemClock
from shared.customers.resolver import SubjectResolver
from shared.db import Database
from shared.http.app import create_app
from shared.http.erasures import router as erasures_router
from shared.http.exports import export_router
from shared.http.log import router as log_router
from shared.http.peer import Peer
from shared.keys import KeyRing
from shared.rebuild.domain import TableShape
from shared.rebuild.run import Rebuildable
from shared.service import Service, Work, database_checks, serving
from shared.worker.schedule import ScheduledTask

MIGRATIONS = Path(__file__).parent / "migrations"


def build_api(settings: Settings) -> FastAPI:
    """Return the HTTP API."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ingest = Peer.at(settings.peer_url("ingest"), settings.service_key, settings.resolve_timeout_seconds)
        async with serving(app, "profile", settings), ingest:
            app.state.resolver = SubjectResolver("profile", ingest, "/value")
            app.state.relations = Relations(ingest)
            yield

    direct = direct_routes()
    app = create_app(
        service="profile",
        keys=KeyRing(settings.keys_file),
        routers=[router, log_router, erasures_router, export_router(HOLDINGS)],
        lifespan=lifespan,
        readiness=database_checks(lambda: app.state.database, MIGRATIONS),
        settings=settings,
        description="Known customers, what they bought, their stage of life and their segments.",
    )
    app.router.routes.insert(0, direct)
    return app


@asynccontextmanager
async def open_work(settings: Settings, database: Database) -> AsyncIterator[Work]:
    """Yield what the worker does: apply events, refresh customers, review stages, score RFM."""
    clock = SystemClock(settings.clock_offset_file)
    chain = Chain(settings.currency, settings.time_zone)

    async def refreshing() -> None:
        await refresh.refresh(database, clock, chain)

    async def reviewing() -> None:
        await refresh.review(database, clock)

    async def scoring() -> None:
        await refresh.score(database, clock)

    yield Work(
        subscription=subscription(settings.partitions),
        tasks=[
            ScheduledTask("refresh", settings.refresh_seconds, refreshing),
            ScheduledTask("review", settings.review_seconds, reviewing),
            ScheduledTask("score", settings.rfm_seconds, scoring),
        ],
    )


def table_shapes() -> tuple[TableShape, ...]:
    """Return what is declared, for a rebuild."""
    # Not at the top: SQLAlchemy takes 32 MB, which no serving process needs.
    from services.profile.tables import metadata  # noqa: PLC0415

    # Not at the top, for the same reason.
    from shared.rebuild.tables import shapes_of  # noqa: PLC0415

    return shapes_of(metadata)


SERVICE = Service(
    name="profile",
    settings=Settings,
    migrations=MIGRATIONS,
    api=build_api,
    work=open_work,
    rebuild=Rebuildable(table_shapes, discarded=("events", "dirty"), tidy=(forget_moments,), renew=refresh.renew),
)
