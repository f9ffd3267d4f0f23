"""Owns opening what answers requests: memory, histories, resolver, and the writing down of what was shown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from services.recommend.domain.experiments import State
from services.recommend.domain.sharing import Share
from services.recommend.handlers.answers import Desk
from services.recommend.handlers.shown import ShownBuffer
from services.recommend.serving.background import Work, going_on
from services.recommend.serving.customers import Customers
from services.recommend.serving.exposures import Exposures
from services.recommend.serving.following import Following
from services.recommend.serving.histories import Histories
from services.recommend.serving.live import EMPTY_SHELF_SECONDS, Live
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
        async with going_on(_works(settings, database, desk, shadow)):
            yield desk
        await shown.flush()


def _works(settings: Settings, database: Database, desk: Desk, shadow: Shadow) -> tuple[Work, ...]:
    """Return what goes on beside answering."""
    live, policies = desk.live, desk.policies
    return (
        Work("follow-customers", desk.following.run),
        Work("shadow", shadow.run),
        Work("refresh-shelf", live.refresh, settings.refresh_seconds),
        Work("look-for-first-products", live.stock_up, EMPTY_SHELF_SECONDS),
        Work("check-model", live.check_model, settings.model_check_seconds),
        Work("write-shown", desk.shown.flush, settings.shown_flush_seconds),
        Work("follow-experiments", lambda: follow(database, desk), settings.experiments_check_seconds),
        Work("write-shadow", lambda: write_shadow(database, shadow, desk.clock), SHADOW_FLUSH_SECONDS),
        Work("follow-policy", desk.follow_policy, settings.policy_check_seconds),
        Work("count-slots", lambda: policies.count_slots(also=desk.trials.explore), settings.refresh_seconds),
    )


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
