"""The wiring of ingest: settings to database, vault and secrets, to routes or to the numbering worker."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from services.ingest.api import direct_routes, routers
from services.ingest.api.browsers import BrowserAccess
from services.ingest.api.dependencies import Ingest
from services.ingest.api.limits import BODY_BYTES_MAX, FILE_BYTES_MAX
from services.ingest.clients import HoldingPeer
from services.ingest.domain.sources import SourceKind
from services.ingest.drafts import Secrets
from services.ingest.handlers.accepting.acceptor import Acceptor
from services.ingest.handlers.accepting.aging import HeldBook
from services.ingest.handlers.accepting.closing import ClosedBook
from services.ingest.handlers.accepting.grouping import GroupCommit
from services.ingest.handlers.files.import_work import ImportWork
from services.ingest.handlers.files.importing import Imports
from services.ingest.handlers.identity.deciding import Deciding
from services.ingest.handlers.identity.linking import Linking, laborious_among
from services.ingest.handlers.identity.watching import Watching
from services.ingest.handlers.privacy.erasing import Erasing
from services.ingest.handlers.privacy.exporting import Exporting
from services.ingest.handlers.privacy.replaying import Replaying
from services.ingest.handlers.privacy.retaining import Retaining
from services.ingest.handlers.privacy.sweeping import Sweeping
from services.ingest.handlers.quality.cataloguing import CodeBook
from services.ingest.handlers.sources.counting import Counted, Tally
from services.ingest.handlers.sources.limiting import Limiter
from services.ingest.handlers.sources.registering import SourceBook
from services.ingest.handlers.sources.webhooks import Webhooks
from services.ingest.handlers.tills.clockwatching import ClockWatch
from services.ingest.ledger import ErasureLedger
from services.ingest.settings import Settings
from services.ingest.store.sources import put_bootstrap_sources
from services.ingest.vault import Vault
from shared.clock import Clock, SystemClock
from shared.db import Database, PoolLimits, Transaction
from shared.events import topics_owned_by
from shared.http.app import create_app
from shared.http.client import service_client
from shared.keys import KeyRing
from shared.log import Outgoing
from shared.log.domain import Waiting
from shared.log.numberer import NumberingHook
from shared.log.retention import Retention
from shared.service import Service, Work, database_checks, opened, serving
from shared.worker.schedule import ScheduledTask

NAME = "ingest"
MIGRATIONS = Path(__file__).parent / "migrations"
VAULT_MIGRATIONS = MIGRATIONS / "vault"
NUMBERING_POLL_SECONDS = 0.05
IMPORTS_LOOK_SECONDS = 2.0
IMPORTS_CLEAN_SECONDS = 600.0
WATCH_SECONDS = 10.0
SWEEP_SECONDS = 2.0
EXPORT_SECONDS = 2.0
RETENTION_SECONDS = 3600.0


def build_api(settings: Settings) -> FastAPI:
    """Return the HTTP application; everything it opens, it opens when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with serving(app, NAME, settings) as database, vault_of(settings) as vault_database:
            secrets = Secrets.derive(settings.deployment_key_bytes)
            vault = Vault(vault_database, secrets.wrapping)
            clocks = ClockWatch(database, app.state.clock)
            tally, codes = Tally(database, settings.time_zone), CodeBook(database)
            held, closed = HeldBook(database), ClosedBook(database)
            acceptor = Acceptor(database, vault, secrets, settings.identity_policy, held, closed)
            app.state.ingest = Ingest(
                settings=settings,
                database=database,
                vault=vault,
                secrets=secrets,
                clock=app.state.clock,
                sources=SourceBook(database, app.state.clock),
                acceptor=Counted(GroupCommit(acceptor.accept), tally, (codes.learn,)),
                tally=tally,
                limiter=Limiter(database),
                codes=codes,
                clocks=clocks,
                imports=imports_of(settings, database, vault, secrets),
                webhooks=Webhooks(database, vault),
                held=held,
                closed=closed,
            )
            async with beside(clocks.watch(), tally.keep()):
                yield

    direct = direct_routes()
    app = create_app(
        service=NAME,
        keys=KeyRing(settings.keys_file),
        routers=routers(),
        lifespan=lifespan,
        readiness=database_checks(lambda: app.state.database, MIGRATIONS),
        settings=settings,
        description="Accepts what tills, web shops, apps and files say, and keeps it for ever.",
        max_body_bytes=BODY_BYTES_MAX,
        unlogged_routes=direct.paths,
        max_body_bytes_at={"/v1/imports": FILE_BYTES_MAX},
    )
    app.router.routes.insert(0, direct)
    app.add_middleware(BrowserAccess)
    return app


@asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have these at work beside the requests."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


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
    """Give the worker its hooks, erasures before links, and what recurs: files, watching, privacy."""
    secrets = Secrets.derive(settings.deployment_key_bytes)
    clock = SystemClock(settings.clock_offset_file)
    async with AsyncExitStack() as stack:
        vault = Vault(await stack.enter_async_context(vault_of(settings)), secrets.wrapping)
        peers = {
            service: HoldingPeer(await stack.enter_async_context(_client(settings, service)))
            for service in settings.erasure_peers
            if service in settings.peers
        }
        yield Work(
            hook=hooks(settings, secrets, clock),
            laborious=laborious_among,
            tasks=[
                *_import_tasks(settings, database, vault, secrets, clock),
                *_watch_tasks(settings, Deciding(database, secrets, clock)),
                *_privacy_tasks(settings, database, vault, clock, peers),
            ],
            numbering_poll_seconds=NUMBERING_POLL_SECONDS,
        )


def _import_tasks(
    settings: Settings, database: Database, vault: Vault, secrets: Secrets, clock: Clock
) -> list[ScheduledTask]:
    acceptor = Acceptor(database, vault, secrets, settings.identity_policy, HeldBook(database), ClosedBook(database))
    imports = imports_of(settings, database, vault, secrets)
    work = ImportWork(imports, acceptor, Tally(database, settings.time_zone), CodeBook(database), clock)
    return [
        ScheduledTask("imports", IMPORTS_LOOK_SECONDS, work.run),
        ScheduledTask("imports-clean", IMPORTS_CLEAN_SECONDS, work.clean),
    ]


def _watch_tasks(settings: Settings, deciding: Deciding) -> list[ScheduledTask]:
    policy = settings.identity_policy
    watching = Watching(deciding, policy, settings.partitions)
    return [ScheduledTask("watch-identifiers", WATCH_SECONDS, watching.run)] if policy.watches else []


def _privacy_tasks(
    settings: Settings, database: Database, vault: Vault, clock: Clock, peers: Mapping[str, HoldingPeer]
) -> list[ScheduledTask]:
    services = tuple(settings.erasure_peers)
    sweeping = Sweeping(database, vault, clock, services, peers)
    exporting = Exporting(database, vault, clock, services, peers)
    expiring = Retention(database, clock, topics_owned_by(NAME), settings.partitions)
    retaining = Retaining(database, clock, settings.originals_kept_days, settings.refusals_kept_days)
    return [
        ScheduledTask("sweep-erasures", SWEEP_SECONDS, sweeping.run),
        ScheduledTask("make-exports", EXPORT_SECONDS, exporting.run),
        ScheduledTask("expire-events", RETENTION_SECONDS, expiring.run),
        ScheduledTask("expire-originals", RETENTION_SECONDS, retaining.run),
    ]


def imports_of(settings: Settings, database: Database, vault: Vault, secrets: Secrets) -> Imports:
    """Return the use cases of imports over what the process has opened."""
    return Imports(database, vault, secrets, settings.currency, settings.time_zone, settings.region)


def _client(settings: Settings, service: str) -> httpx.AsyncClient:
    return service_client(settings.peer_url(service), settings.service_key)


def hooks(settings: Settings, secrets: Secrets, clock: Clock) -> NumberingHook:
    """Return what runs inside numbering, one after the other."""
    erasing = Erasing(secrets, clock, ErasureLedger(settings.erasure_ledger_path))
    linking = Linking(secrets, clock)

    async def both(tx: Transaction, waiting: Sequence[Waiting]) -> list[Outgoing]:
        return [*await erasing(tx, waiting), *await linking(tx, waiting)]

    return both


def prepare(settings: Settings) -> None:
    """Bring the vault to its newest revision, make the sources that the settings name, replay the erasure ledger."""
    # Alembic and SQLAlchemy: a quarter of the start of a process, and memory that none that serves needs.
    from shared import migrations  # noqa: PLC0415

    migrations.upgrade(settings.vault_database_url.get_secret_value(), VAULT_MIGRATIONS)
    asyncio.run(put_sources(settings))
    asyncio.run(replay_ledger(settings))


async def put_sources(settings: Settings) -> None:
    """Make the sources that the settings name."""
    named = [(one.id, SourceKind(one.kind), one.digest) for one in settings.bootstrap_sources]
    async with opened(settings, "ingest-migrate") as database:
        await put_bootstrap_sources(database, named)


async def replay_ledger(settings: Settings) -> int:
    """Erase again whom a restored database brought back; return how many subjects."""
    secrets = Secrets.derive(settings.deployment_key_bytes)
    async with opened(settings, "ingest-migrate") as database, vault_of(settings) as vault_database:
        vault = Vault(vault_database, secrets.wrapping)
        clock = SystemClock(settings.clock_offset_file)
        ledger = ErasureLedger(settings.erasure_ledger_path)
        return await Replaying(database, vault, secrets, clock, ledger).run()


SERVICE = Service(name=NAME, settings=Settings, migrations=MIGRATIONS, api=build_api, work=open_work, prepare=prepare)
