"""The only wiring of campaign: settings, database, routes, consuming and scheduled work."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI

from services.campaign.api import ROUTERS
from services.campaign.api.parts import Parts
from services.campaign.channels import Channel, FileOutbox, Mail, MailServer
from services.campaign.clients import Ingest
from services.campaign.consumer import subscription
from services.campaign.handlers.campaigns import Campaigns
from services.campaign.handlers.customers import Customers, Resolver
from services.campaign.handlers.facts import Facts
from services.campaign.handlers.points import PointRules, Points
from services.campaign.handlers.redemptions import Redemptions
from services.campaign.handlers.restoring import hold_what_may_be_out
from services.campaign.handlers.sending import Preparing, Sending
from services.campaign.holdings import HOLDINGS
from services.campaign.outbox import forget_lines
from services.campaign.settings import Settings
from services.campaign.store import erasures
from shared.clock import Clock, SystemClock
from shared.customers.resolver import SubjectResolver
from shared.db import Database
from shared.http.app import create_app
from shared.http.client import service_client
from shared.http.erasures import router as erasures_router
from shared.http.exports import export_router
from shared.http.idempotency import purge_all_expired
from shared.http.log import router as log_router
from shared.http.peer import Peer
from shared.keys import KeyRing
from shared.rebuild.domain import TableShape
from shared.rebuild.run import Rebuildable
from shared.service import Service, Work, database_checks, serving
from shared.worker.schedule import ScheduledTask

MIGRATIONS = Path(__file__).parent / "migrations"

_PREPARE_SECONDS = 1.0
_SEND_SECONDS = 1.0
_EXPIRE_SECONDS = 300.0
_PURGE_SECONDS = 3600.0
_FORGET_SECONDS = 60.0
FORGOTTEN_FOR = timedelta(days=1)


def build_api(settings: Settings) -> FastAPI:
    """Return the HTTP API."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ingest = Peer.at(settings.peer_url("ingest"), settings.service_key, settings.resolve_timeout_seconds)
        async with serving(app, "campaign", settings) as database, ingest:
            resolver = SubjectResolver("campaign", ingest, "/identifier", settings.blind_index_keys())
            app.state.parts = build_parts(settings, database, app.state.clock, resolver)
            yield

    app = create_app(
        service="campaign",
        keys=KeyRing(settings.keys_file),
        routers=[*ROUTERS, log_router, erasures_router, export_router(HOLDINGS)],
        lifespan=lifespan,
        readiness=database_checks(lambda: app.state.database, MIGRATIONS),
        settings=settings,
        description="Campaigns measured against a hold-out, coupons redeemed exactly once, points.",
    )
    return app


def build_parts(settings: Settings, database: Database, clock: Clock, resolver: Resolver) -> Parts:
    """Return what the routes need."""
    customers = Customers(resolver)
    return Parts(
        database=database,
        clock=clock,
        currency=settings.currency,
        campaigns=Campaigns(database, clock, settings.currency, frozenset(channels(settings))),
        redemptions=Redemptions(database, clock, settings.currency, customers),
        customers=customers,
        points=Points(point_rules(settings), clock),
    )


def point_rules(settings: Settings) -> PointRules:
    return PointRules(settings.currency, settings.point_unit_minor(), settings.points_valid_days)


def channels(settings: Settings) -> Mapping[str, Channel]:
    """Return the channels that are set up here: the file outbox always, e-mail with a mail server."""
    found: dict[str, Channel] = {"file": FileOutbox(settings.data_dir / "outbox")}
    if settings.smtp_host is not None and settings.smtp_sender is not None:
        found["email"] = Mail(
            MailServer(
                host=settings.smtp_host,
                port=settings.smtp_port,
                sender=settings.smtp_sender,
                security=settings.smtp_security,
                user=settings.smtp_user,
                password=settings.smtp_password,
            )
        )
    return found


@asynccontextmanager
async def open_work(settings: Settings, database: Database) -> AsyncIterator[Work]:
    """Yield what the worker does: apply events, prepare and send messages, expire points, forget old keys."""
    clock = SystemClock(settings.clock_offset_file)
    points = Points(point_rules(settings), clock)
    async with service_client(settings.peer_url("ingest"), settings.service_key) as client:
        sending = Sending(
            database, clock, settings.currency, channels(settings), Ingest(client), settings.messages_per_batch
        )

        async def expire() -> None:
            await points.expire(database)

        async def purge() -> None:
            await purge_all_expired(database, clock.now())

        async def forget_outbox() -> None:
            # By the database's own clock, which noted when each was applied; a day covers whatever was down.
            since = await database.fetchval("SELECT clock_timestamp()") - FORGOTTEN_FOR
            erased = await erasures.erased_since(database, since)
            await asyncio.to_thread(forget_lines, settings.data_dir / "outbox", erased)

        yield Work(
            subscription=subscription(Facts(points)),
            tasks=[
                ScheduledTask("prepare", _PREPARE_SECONDS, Preparing(database, clock, settings.currency).run),
                ScheduledTask("send", _SEND_SECONDS, sending.run),
                ScheduledTask("expire-points", _EXPIRE_SECONDS, expire),
                ScheduledTask("purge-idempotency", _PURGE_SECONDS, purge),
                ScheduledTask("forget-outbox", _FORGET_SECONDS, forget_outbox),
            ],
        )


def table_shapes() -> tuple[TableShape, ...]:
    """Return what is declared, for a rebuild."""
    # Not at the top: SQLAlchemy takes 32 MB, which no serving process needs.
    from services.campaign.tables import metadata  # noqa: PLC0415

    # Not at the top, for the same reason.
    from shared.rebuild.tables import shapes_of  # noqa: PLC0415

    return shapes_of(metadata)


SERVICE = Service(
    name="campaign",
    settings=Settings,
    migrations=MIGRATIONS,
    api=build_api,
    work=open_work,
    rebuild=Rebuildable(table_shapes),
    restored=hold_what_may_be_out,
)
