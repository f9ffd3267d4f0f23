"""The wiring of ingest: settings to database, vault and secrets, to routes or to the numbering worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from services.ingest.api import routers
from services.ingest.api.browsers import BrowserAccess
from services.ingest.api.dependencies import Ingest
from services.ingest.api.limits import BODY_BYTES_MAX
from services.ingest.domain.sources import SourceKind
from services.ingest.drafts import Secrets
from services.ingest.handlers.accepting import Acceptor
from services.ingest.handlers.aging import HeldBook
from services.ingest.handlers.deciding import Deciding
from services.ingest.handlers.grouping import GroupCommit
from services.ingest.handlers.linking import Linking
from services.ingest.handlers.registering import SourceBook
from services.ingest.handlers.watching import Watching
from services.ingest.settings import Settings
from services.ingest.store.sources import put_bootstrap_sources
from services.ingest.vault import Vault
from shared import migrations
from shared.clock import SystemClock
from shared.db import Database, PoolLimits
from shared.http.app import create_app
from shared.keys import KeyRing
from shared.service import Service, Work, database_checks, opened, serving
from shared.worker.schedule import ScheduledTask

NAME = "ingest"
MIGRATIONS = Path(__file__).parent / "migrations"
VAULT_MIGRATIONS = MIGRATIONS / "vault"
NUMBERING_POLL_SECONDS = 0.05
WATCH_SECONDS = 10.0


def build_api(settings: Settings) -> FastAPI:
    """Return the HTTP application; everything it opens, it opens when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with serving(app, NAME, settings) as database, vault_of(settings) as vault_database:
            secrets = Secrets.derive(settings.deployment_key_bytes)
            vault = Vault(vault_database, secrets.wrapping)
            held = HeldBook(database)
            app.state.ingest = Ingest(
                settings=settings,
                database=database,
                vault=vault,
                secrets=secrets,
                clock=app.state.clock,
                sources=SourceBook(database),
                acceptor=GroupCommit(Acceptor(database, vault, secrets, settings.identity_policy, held).accept),
                held=held,
            )
            yield

    app = create_app(
        service=NAME,
        keys=KeyRing(settings.keys_file),
        routers=routers(),
        lifespan=lifespan,
        readiness=database_checks(lambda: app.state.database, MIGRATIONS),
        settings=settings,
        description="Accepts what tills, web shops, apps and files say, and keeps it for ever.",
        max_body_bytes=BODY_BYTES_MAX,
    )
    app.add_middleware(BrowserAccess)
    return app


@asynccontextmanager
async def vault_of(settings: Settings) -> AsyncIterator[Database]:
    """Open the vault of keys."""
    dsn = settings.vault_database_url.get_secret_value()
    vault = await Database.connect(dsn, application="ingest-vault", limits=PoolLimits(size_max=4))
    try:
        yield vault
    finally:
        await vault.close()


@asynccontextmanager
async def open_work(settings: Settings, database: Database) -> AsyncIterator[Work]:
    """Give the worker its hook: links are made where events are numbered."""
    secrets = Secrets.derive(settings.deployment_key_bytes)
    clock = SystemClock(settings.clock_offset_file)
    policy = settings.identity_policy
    watching = Watching(Deciding(database, secrets, clock), policy, settings.partitions)
    yield Work(
        hook=Linking(secrets, clock),
        tasks=[ScheduledTask("watch-identifiers", WATCH_SECONDS, watching.run)] if policy.watches else [],
        numbering_poll_seconds=NUMBERING_POLL_SECONDS,
    )


def prepare(settings: Settings) -> None:
    """Bring the vault to its newest revision and make the sources that the settings name."""
    migrations.upgrade(settings.vault_database_url.get_secret_value(), VAULT_MIGRATIONS)
    asyncio.run(put_sources(settings))


async def put_sources(settings: Settings) -> None:
    """Make the sources that the settings name."""
    named = [(one.id, SourceKind(one.kind), one.digest) for one in settings.bootstrap_sources]
    async with opened(settings, "ingest-migrate") as database:
        await put_bootstrap_sources(database, named)


SERVICE = Service(name=NAME, settings=Settings, migrations=MIGRATIONS, api=build_api, work=open_work, prepare=prepare)
