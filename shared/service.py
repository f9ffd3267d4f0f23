"""What every service does alike: its commands, its database, its served log, its worker."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, TextIO, TypeVar
from uuid import UUID

import orjson
import structlog
from fastapi import FastAPI

from shared import garbage, tracing
from shared.clock import SystemClock
from shared.db import Database, PoolLimits, Transaction
from shared.errors import Conflict, TransientError, Unavailable
from shared.events import retention, topics_owned_by
from shared.events.catalogue import topic_named
from shared.http.app import create_app
from shared.http.client import service_client
from shared.http.health import Check
from shared.http.log import served_log
from shared.http.probe import serve_probe
from shared.http.server import run_api
from shared.kafka.aio import KafkaBroker
from shared.keys import KeyRing
from shared.log.numberer import LaboriousFor, Numberer, NumberingHook
from shared.log.publisher import Publisher
from shared.log.restoring import check_stopped, open_incarnation
from shared.loop import new_event_loop
from shared.rebuild.beside import Schemas
from shared.rebuild.domain import Rebuilt
from shared.rebuild.errors import RebuildFailed, RebuildRefused
from shared.rebuild.report import lines_of
from shared.rebuild.run import LIVE_LIMITS, NEXT_LIMITS, PATIENT_LIMITS, Asked, Rebuild, Rebuildable
from shared.revision import check_at_head
from shared.settings import ServiceSettings, SettingsError
from shared.telemetry import configure_logging
from shared.version import CODE_VERSION
from shared.worker import deadletters
from shared.worker.process import Part, Worker, holder_name
from shared.worker.progress import StalledError
from shared.worker.schedule import ScheduledTask
from shared.worker.source import HttpLogSource, LogSource
from shared.worker.subscription import Subscription
from shared.worker.tidying import TIDY_SECONDS, tidy

log = structlog.get_logger()

S = TypeVar("S", bound=ServiceSettings)

WORKER_POOL_MAX = 12
TRACED_COMMANDS = frozenset({"api", "worker"})
EXIT_STALLED = 70
EXIT_USAGE = 2


@dataclass(frozen=True, slots=True)
class Work:
    """What a service's worker does: what it consumes, what runs inside numbering and what costs that, what recurs."""

    subscription: Subscription | None = None
    hook: NumberingHook | None = None
    laborious: LaboriousFor | None = None
    tasks: Sequence[ScheduledTask] = ()
    numbering_poll_seconds: float = 0.2


Restored = Callable[[Transaction, datetime], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Service(Generic[S]):
    """A service as its `app.py` declares it.

    `api` returns the application; `work` opens what the worker needs beside the database and says what it does;
    `train` runs offline and prints its progress; `prepare` runs at the end of `migrate`; `rebuild` is there where
    tables are derived from other services' events; `restored` where something must not happen twice that a back-up
    does not know of, and returns what to tell a person.
    """

    name: str
    settings: type[S]
    migrations: Path
    api: Callable[[S], FastAPI]
    work: Callable[[S, Database], AbstractAsyncContextManager[Work]]
    train: Callable[[S, Sequence[str]], None] | None = None
    prepare: Callable[[S], None] | None = None
    rebuild: Rebuildable | None = None
    restored: Restored | None = None


@asynccontextmanager
async def opened(
    settings: ServiceSettings, application: str, limits: PoolLimits | None = None, schema: str | None = None
) -> AsyncIterator[Database]:
    """Open a service's database, or one schema of it, for as long as the context lasts."""
    database = await Database.connect(
        settings.database_url.get_secret_value(), application=application, limits=limits, schema=schema
    )
    try:
        yield database
    finally:
        await database.close()


def database_checks(database: Callable[[], Database], folder: Path) -> tuple[Check, ...]:
    """Return the readiness checks of everything that has a database: it answers, and it is at head."""

    async def at_head() -> None:
        await check_at_head(database(), folder)

    return (Check("database", at_head, timeout_seconds=2.0),)


@asynccontextmanager
async def serving(app: FastAPI, service: str, settings: ServiceSettings) -> AsyncIterator[Database]:
    """Open what every API needs: `app.state.database`, `app.state.clock`, and `app.state.log` where it produces."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(opened(settings, f"{service}-api"))
        app.state.database = database
        app.state.clock = SystemClock(settings.clock_offset_file)
        topics = [topic.name for topic in topics_owned_by(service)]
        if topics:
            dsn = settings.database_url.get_secret_value()
            app.state.log = await stack.enter_async_context(served_log(dsn, service, topics, settings.partitions))
        garbage.settle()
        yield database


def main(service: Service[S], arguments: Sequence[str] | None = None) -> None:
    """Run `python -m services.NAME api | worker | train | migrate | replay | rebuild | restored`."""
    parsed, rest = _parser(service).parse_known_args(arguments)
    if rest and parsed.command != "train":
        _parser(service).error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        settings = service.settings.load()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_USAGE)
    retention.keep(settings.retention_days)
    configure_logging(settings.log_format, settings.log_level, service.name)
    _begin_tracing(settings, service.name, parsed.command)
    if parsed.command == "api":
        run_api(service.api(settings), settings.host, settings.port, drain_seconds=settings.drain_seconds)
    elif parsed.command == "worker":
        parts = frozenset(Part) if parsed.only is None else frozenset({Part(parsed.only)})
        _run_worker(service, settings, parts)
    elif parsed.command == "migrate":
        _migrate(service, settings)
    elif parsed.command == "replay":
        _replay(service, settings, parsed.event_id or None)
    elif parsed.command == "restored":
        _restored(service, settings, parsed.incarnation)
    elif parsed.command == "rebuild":
        _rebuild(service, settings, Asked(parsed.check, parsed.accept), as_json=parsed.json)
    elif service.train is not None:
        service.train(settings, rest)


def _begin_tracing(settings: ServiceSettings, service: str, command: str) -> None:
    if settings.traces_url is not None and command in TRACED_COMMANDS:
        tracing.begin(str(settings.traces_url), settings.traces_share, f"{service}-{command}")


def _parser(service: Service[S]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m services.{service.name}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("api", help="serve the HTTP API")
    worker = commands.add_parser("worker", help="consume, publish and schedule")
    worker.add_argument("--only", choices=[part.value for part in Part], help="only this part, to scale it alone")
    commands.add_parser("migrate", help="bring the database to the newest revision")
    replay = commands.add_parser("replay", help="apply dead letters again, after their cause was repaired")
    replay.add_argument("event_id", nargs="*", type=UUID, help="only these; all without")
    if service.rebuild is not None:
        rebuild = commands.add_parser("rebuild", help="make the derived tables anew from the logs, and swap them")
        rebuild.add_argument("--check", action="store_true", help="only compare; swap nothing")
        rebuild.add_argument("--accept", action="store_true", help="swap though tables differ")
        rebuild.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    restored = commands.add_parser("restored", help="after a restore: open a new incarnation of the log")
    restored.add_argument("--incarnation", type=int, help="its number, where a later one than the next is needed")
    if service.train is not None:
        commands.add_parser("train", help="train a model, offline")
    return parser


def _migrate(service: Service[S], settings: S) -> None:
    # Alembic and SQLAlchemy take 32 MB, which no serving process needs.
    from shared import migrations  # noqa: PLC0415

    migrations.upgrade(settings.database_url.get_secret_value(), service.migrations)
    if service.prepare is not None:
        service.prepare(settings)


def _replay(service: Service[S], settings: S, event_ids: Sequence[UUID] | None) -> None:
    async def replaying() -> deadletters.Replayed:
        async with opened(settings, f"{service.name}-replay") as database, service.work(settings, database) as work:
            assert work.subscription is not None
            return await deadletters.replay(database, work.subscription, event_ids)

    replayed = asyncio.run(replaying())
    sys.stdout.write(f"{replayed.applied} applied, {len(replayed.failed)} failed again\n")
    sys.exit(1 if replayed.failed else 0)


def _restored(service: Service[S], settings: S, incarnation: int | None) -> None:
    try:
        lines = asyncio.run(run_restored(service, settings, incarnation))
    except (Conflict, TransientError, Unavailable) as error:
        _say(sys.stderr, f"{service.name} is as it was: {error}")
        sys.exit(1)
    for line in lines:
        _say(sys.stdout, line)


async def run_restored(service: Service[S], settings: S, incarnation: int | None = None) -> list[str]:
    """Have a restored database go on as another life of its log; return what to do and to know, line by line.

    Raises Conflict while processes of the service run, and Unavailable where the database is not at head.
    """
    async with opened(settings, f"{service.name}-restored") as database:
        await check_at_head(database, service.migrations)
        await check_stopped(database, service.name)
        async with database.transaction() as tx:
            origin = await open_incarnation(tx, service.name, incarnation)
            now = SystemClock(settings.clock_offset_file).now()
            told = await service.restored(tx, now) if service.restored is not None else ()
    readers = sorted({reader for topic in topics_owned_by(service.name) for reader in topic.consumers})
    accept = [f"`rebuild {reader} --accept`: it may know what the back-up does not" for reader in readers]
    return [f"the log goes on as {origin}; start {service.name}, wait until it has caught up, then", *accept, *told]


def _rebuild(service: Service[S], settings: S, asked: Asked, *, as_json: bool) -> None:
    """Exit 1 where it failed, and where tables differ and were not swapped."""
    try:
        rebuilt = asyncio.run(run_rebuild(service, settings, asked, lambda line: _say(sys.stderr, line)))
    except (RebuildRefused, RebuildFailed, TransientError, Unavailable) as error:
        _say(sys.stderr, f"{service.name} was not rebuilt: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        _say(sys.stderr, f"{service.name} was not rebuilt: interrupted; what it had made is dropped")
        sys.exit(1)
    for line in [orjson.dumps(rebuilt.document()).decode()] if as_json else lines_of(rebuilt):
        _say(sys.stdout, line)
    sys.exit(0 if rebuilt.is_equal or rebuilt.is_swapped else 1)


def _say(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


async def run_rebuild(service: Service[S], settings: S, asked: Asked, say: Callable[[str], None]) -> Rebuilt:
    """Make the derived tables anew while live. Raises RebuildRefused, RebuildFailed or TransientError."""
    name = f"{service.name}-rebuild"
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(opened(settings, name, LIVE_LIMITS))
        schemas = Schemas.of(service.name, await live.fetchval("SELECT current_schema()"))
        beside = await stack.enter_async_context(opened(settings, name, NEXT_LIMITS, schemas.next))
        work = await stack.enter_async_context(service.work(settings, beside))
        assert work.subscription is not None
        assert service.rebuild is not None
        rebuild = Rebuild(
            service=service.name,
            dsn=settings.database_url.get_secret_value(),
            migrations=service.migrations,
            rebuildable=service.rebuild,
            subscription=work.subscription,
            live=live,
            next=beside,
            patient=await stack.enter_async_context(opened(settings, name, PATIENT_LIMITS)),
            sources=await _sources(stack, settings, work.subscription),
            schemas=schemas,
            clock=SystemClock(settings.clock_offset_file),
            holder=holder_name(name),
            code_version=CODE_VERSION,
            say=say,
        )
        return await rebuild.run(asked)


def _run_worker(service: Service[S], settings: S, parts: frozenset[Part]) -> None:
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(run_worker(service, settings, parts))
    except* StalledError as stalled:
        log.critical("worker.stalled", reason=str(stalled.exceptions[0]))
        sys.exit(EXIT_STALLED)


async def run_worker(service: Service[S], settings: S, parts: frozenset[Part]) -> None:
    """Run the worker until it is told to stop. Raises StalledError (in a group) when nothing moves."""
    async with AsyncExitStack() as stack:
        limits = PoolLimits(size_min=1, size_max=WORKER_POOL_MAX)
        database = await stack.enter_async_context(opened(settings, f"{service.name}-worker", limits))
        work = await stack.enter_async_context(service.work(settings, database))
        holder = holder_name(service.name)
        broker = KafkaBroker(settings.bootstrap_servers, holder, settings.replicas)
        worker = Worker(
            service=service.name,
            database=database,
            broker=broker,
            partitions=settings.partitions,
            holder=holder,
            code_version=CODE_VERSION,
            subscription=work.subscription,
            sources=await _sources(stack, settings, work.subscription),
            numberer=_numberer(service.name, settings, database, broker, holder, work),
            tasks=[*work.tasks, *_tidying(service, settings, database)],
            stall_seconds=settings.stall_seconds,
        )
        probe = asyncio.create_task(_probe(service, settings, worker)) if settings.worker_port else None
        garbage.settle()
        try:
            await worker.run(parts)
        finally:
            if probe is not None:
                probe.cancel()
                await asyncio.gather(probe, return_exceptions=True)


def _tidying(service: Service[S], settings: S, database: Database) -> list[ScheduledTask]:
    """Return the task that takes away what a rebuild would not make any more."""
    if service.rebuild is None:
        return []
    clock, steps = SystemClock(settings.clock_offset_file), service.rebuild.tidy

    async def tidying() -> None:
        await tidy(database, clock.now(), steps)

    return [ScheduledTask("tidy", TIDY_SECONDS, tidying)]


async def _sources(
    stack: AsyncExitStack, settings: ServiceSettings, subscription: Subscription | None
) -> Mapping[str, LogSource]:
    """Return the log of every service whose topics are consumed."""
    owners = sorted({topic_named(topic).owner for topic in subscription.topics}) if subscription else []
    sources: dict[str, LogSource] = {}
    for owner in owners:
        client = service_client(settings.peer_url(owner), settings.service_key)
        sources[owner] = HttpLogSource(await stack.enter_async_context(client))
    return sources


def _numberer(  # noqa: PLR0913, PLR0917 (wiring)
    service: str, settings: ServiceSettings, database: Database, broker: KafkaBroker, holder: str, work: Work
) -> Numberer | None:
    topics = [topic.name for topic in topics_owned_by(service)]
    if not topics:
        return None
    return Numberer(
        database=database,
        publisher=Publisher(database, broker, service, topics, settings.partitions),
        service=service,
        topics=topics,
        partitions=settings.partitions,
        holder=holder,
        hook=work.hook,
        laborious=work.laborious,
        poll_seconds=work.numbering_poll_seconds,
    )


async def _probe(service: Service[S], settings: S, worker: Worker) -> None:
    async def moving() -> None:
        worker.progress.check()

    app = create_app(
        service=f"{service.name}-worker",
        keys=KeyRing(settings.keys_file),
        routers=(),
        settings=settings,
        readiness=database_checks(lambda: worker.database, service.migrations),
        liveness=(Check("progress", moving),),
    )
    assert settings.worker_port is not None
    await serve_probe(app, settings.host, settings.worker_port)
