"""Owns opening what answers requests: memory, histories, resolver, and the writing down of what was shown."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from services.recommend.domain.experiments import State
from services.recommend.domain.sharing import Share
from services.recommend.handlers.activity import ShownBuffer
from services.recommend.handlers.answers import Desk
from services.recommend.serving.customers import Customers
from services.recommend.serving.exposures import Exposures
from services.recommend.serving.following import Following
from services.recommend.serving.histories import Histories
from services.recommend.serving.live import EMPTY_SHELF_SECONDS, Live, every
from services.recommend.serving.policies import Policies
from services.recommend.serving.recall import Recall
from services.recommend.serving.shadow import Shadow
from services.recommend.serving.trials import Trials
from services.recommend.serving.wallets import Wallets
from services.recommend.settings import Settings
from services.recommend.store import experiments, models
from shared.clock import Clock
from shared.customers.resolver import SubjectResolver
from shared.db import Database
from shared.errors import TransientError
from shared.http.peer import Peer
from shared.registry import Registry

SHADOW_FLUSH_SECONDS = 2.0

log = structlog.get_logger()


@asynccontextmanager
async def opened(settings: Settings, database: Database, registry: Registry, clock: Clock) -> AsyncIterator[Desk]:
    """Yield the desk with everything in memory, and keep it fresh until the end; then write down what is left."""
    # A request's matrices are small: several BLAS threads spend more in waiting for each other than they save.
    threadpool_limits(1, "blas")
    ingest = Peer.at(settings.peer_url("ingest"), settings.service_key, settings.resolve_timeout_seconds)
    shown = ShownBuffer(database)
    live = Live(database, registry, clock)
    async with ingest:
        resolver = SubjectResolver("recommend", ingest, "/identifier/value", settings.blind_index_keys())
        remembered = Customers(settings.customers_remembered_max)
        following = Following(database, remembered, Share.parsed(settings.share))
        histories = Histories(database, settings.history_timeout_seconds)
        recall = Recall(remembered, following, histories, settings.history_old_seconds)
        policies = Policies(database)
        exposures = Exposures(database, settings.history_timeout_seconds)
        wallets = Wallets(database, settings.history_timeout_seconds)
        shadow = Shadow(live)
        desk = Desk(
            live,
            recall,
            following,
            resolver,
            shown,
            clock,
            shadow=shadow,
            policies=policies,
            exposures=exposures,
            wallets=wallets,
            wait_seconds=settings.wait_seconds,
        )
        await live.load()
        await desk.follow_policy()
        await histories.warm_up()
        await follow(database, desk)
        async with (
            _running(following.run),
            _running(lambda: every(settings.refresh_seconds, live.refresh)),
            _running(lambda: every(EMPTY_SHELF_SECONDS, live.stock_up)),
            _running(lambda: every(settings.model_check_seconds, live.check_model)),
            _running(lambda: every(settings.shown_flush_seconds, shown.flush)),
            _running(lambda: every(settings.experiments_check_seconds, lambda: follow(database, desk))),
            _running(lambda: every(SHADOW_FLUSH_SECONDS, lambda: write_shadow(database, shadow, clock))),
            _running(shadow.run),
            _running(lambda: every(settings.policy_check_seconds, desk.follow_policy)),
            _running(lambda: every(settings.refresh_seconds, lambda: policies.count_slots(also=desk.trials.explore))),
        ):
            yield desk
        await shown.flush()


async def follow(database: Database, desk: Desk) -> None:
    """Take up the experiments that run now and the version in the shadow; with the database away, as before."""
    try:
        async with database.session() as session:
            running = await experiments.in_state(session, State.RUNNING)
            shadowed = await models.shadow(session)
    except TransientError as away:
        log.warning("experiments.away", reason=str(away))
        return
    if running != list(desk.trials.running):
        desk.trials = Trials.of(running)
    if desk.shadow is not None:
        desk.shadow.row = shadowed
    await desk.live.serve_also(desk.trials.model_versions | ({shadowed.version} if shadowed else frozenset()))


async def write_shadow(database: Database, shadow: Shadow, clock: Clock) -> None:
    """Write down what the shadow found; it waits where the database is away."""
    found = shadow.taken()
    while found:
        version, sums = found.popitem()
        try:
            async with database.session() as session:
                await models.add_shadow_sums(session, version, clock.now().date(), sums)
        except TransientError:
            shadow.put_back(found | {version: sums})
            return


@asynccontextmanager
async def _running(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run beside what is inside; end with it."""
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
