"""Owns opening what answers requests: memory, histories, resolver, and the writing down of what was shown."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from services.recommend.handlers.activity import ShownBuffer
from services.recommend.handlers.answers import Desk
from services.recommend.handlers.offers import coupons_in_time
from services.recommend.serving.exposures import Exposures
from services.recommend.serving.histories import Histories
from services.recommend.serving.live import EMPTY_SHELF_SECONDS, Live, every
from services.recommend.serving.policies import Policies
from services.recommend.settings import Settings
from shared.clock import Clock
from shared.customers.resolver import SubjectResolver
from shared.db import Database
from shared.http.peer import Peer
from shared.registry import Registry


@asynccontextmanager
async def opened(settings: Settings, database: Database, registry: Registry, clock: Clock) -> AsyncIterator[Desk]:
    """Yield the desk with everything in memory, and keep it fresh until the end; then write down what is left."""
    ingest = Peer.at(settings.peer_url("ingest"), settings.service_key, settings.resolve_timeout_seconds)
    shown = ShownBuffer(database)
    live = Live(database, registry, clock)
    async with ingest:
        resolver = SubjectResolver("recommend", ingest, "/identifier/value", settings.blind_index_keys())
        histories = Histories(database, settings.history_timeout_seconds)
        policies = Policies(database)
        exposures = Exposures(database, settings.history_timeout_seconds)
        coupons = partial(coupons_in_time, database, timeout_seconds=settings.history_timeout_seconds)
        desk = Desk(live, histories, resolver, shown, clock, policies=policies, exposures=exposures, coupons=coupons)
        await live.load()
        await desk.follow_policy()
        await histories.warm_up()
        async with (
            _running(lambda: every(settings.refresh_seconds, live.refresh)),
            _running(lambda: every(EMPTY_SHELF_SECONDS, live.stock_up)),
            _running(lambda: every(settings.model_check_seconds, live.check_model)),
            _running(lambda: every(settings.shown_flush_seconds, shown.flush)),
            _running(lambda: every(settings.policy_check_seconds, desk.follow_policy)),
            _running(lambda: every(settings.refresh_seconds, policies.count_slots)),
        ):
            yield desk
        await shown.flush()


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
