"""The refresher: folds customers whose facts changed, and says what they entered, left and became."""

import time
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.profile import metrics
from services.profile.domain.lifecycle import ABSORBED
from services.profile.domain.profile import AsOf, Chain, Standing, standing_of
from services.profile.domain.segments import BY_ID
from services.profile.domain.transitions import IN, LIFECYCLE, Transition, segment_id_of, transitions_to
from services.profile.store import customers, segments
from shared.clock import Clock
from shared.db import Database, Transaction
from shared.events import Envelope, EventData, Source
from shared.events.segments import LifecycleChangedV1, SegmentEnteredV1, SegmentLeftV1
from shared.identity import transition_id
from shared.log import Outgoing, append

CUSTOMERS_AT_ONCE = 100
RUN_SECONDS_MAX = 0.3
"""The refresher shares its process with the consuming loop and must not hold it up; what is left waits its turn."""

_SOURCE = Source(id="profile", kind="service")


async def refresh(database: Database, clock: Clock, chain: Chain) -> int:
    """Refresh customers until none is marked or the run's time is over; return how many."""
    started = time.monotonic()
    refreshed = 0
    while True:
        count = await refresh_some(database, AsOf(chain, clock.now()))
        refreshed += count
        if count < CUSTOMERS_AT_ONCE or time.monotonic() - started > RUN_SECONDS_MAX:
            break
    async with database.session() as session:
        metrics.DIRTY.set(await segments.waiting(session))
    return refreshed


async def refresh_some(database: Database, as_of: AsOf) -> int:
    """Refresh up to CUSTOMERS_AT_ONCE in one transaction: take their marks, lock them, then fold and say."""
    started = time.monotonic()
    async with database.transaction() as tx:
        customer_ids = await segments.take_marks(tx, CUSTOMERS_AT_ONCE)
        if not customer_ids:
            return 0
        standings = await _standings(tx, customer_ids, as_of)
        await segments.keep_standings(tx, standings, as_of.now)
        gone = [customer_id for customer_id in customer_ids if customer_id not in standings]
        await segments.drop_customers(tx, gone)
        await _say(tx, customer_ids, standings, as_of.now)
    metrics.REFRESHED.inc(len(customer_ids))
    metrics.REFRESH_SECONDS.observe(time.monotonic() - started)
    return len(customer_ids)


async def _standings(tx: Transaction, customer_ids: Sequence[UUID], as_of: AsOf) -> dict[UUID, Standing]:
    """Fold the customers; one without subjects (absorbed, or nobody) has no standing."""
    subjects = await customers.subjects_by_customer(tx, customer_ids)
    facts = await customers.facts_of(tx, subjects)
    around = await customers.surroundings(tx, as_of)
    return {
        customer_id: standing_of(facts[customer_id].totals, facts[customer_id].visits, around)
        for customer_id in set(subjects.values())
    }


async def _say(tx: Transaction, customer_ids: Sequence[UUID], standings: dict[UUID, Standing], now: datetime) -> None:
    said = await segments.said_of(tx, customer_ids)
    changes: list[Transition] = []
    for customer_id in customer_ids:
        standing = standings.get(customer_id)
        if standing is not None:
            stage, held = standing.life.stage, standing.segments
        elif customer_id in said:
            stage, held = ABSORBED, ()
        else:
            continue
        changes += transitions_to(customer_id, said.get(customer_id, {}), stage, held, now)
    if not changes:
        return
    await segments.keep_said(tx, changes)
    await append(tx, [Outgoing.of(_envelope(change)) for change in changes])
    for change in changes:
        tx.on_commit(metrics.TRANSITIONS.labels(_data(change).event_type).inc)


def _envelope(change: Transition) -> Envelope[EventData]:
    return Envelope.of(
        _data(change),
        event_id=transition_id(change.kind, change.customer_id, change.n),
        occurred_at=change.at,
        received_at=change.at,
        subject_id=change.customer_id,
        subject_kind="identified",
        source=_SOURCE,
    )


def _data(change: Transition) -> EventData:
    if change.kind == LIFECYCLE:
        return LifecycleChangedV1(
            customer_id=change.customer_id,
            n=change.n,
            at=change.at,
            from_stage=change.before,
            to_stage=change.state,
        )
    segment_id = segment_id_of(change.kind)
    segment = BY_ID.get(segment_id)
    data_class = SegmentEnteredV1 if change.state == IN else SegmentLeftV1
    return data_class(
        customer_id=change.customer_id,
        n=change.n,
        at=change.at,
        segment_id=segment_id,
        segment_name=segment.name if segment else segment_id,
    )


async def renew(tx: Transaction, next_schema: str, now: datetime) -> None:  # noqa: ARG001 (of a rebuild's shape)
    """Have everybody folded anew, whom either side knows: the facts are about to be those of another schema.

    What differs for them then is said as any change is, and only that.
    """
    await segments.mark_everybody(tx, next_schema)


async def review(database: Database, clock: Clock) -> int:
    """Mark the customers whom time alone may have moved to another stage; return how many."""
    async with database.transaction() as tx:
        return await segments.mark_due(tx, clock.now())


async def score(database: Database, clock: Clock) -> int:
    """Compute the RFM fifths as of now and mark the customers whose cell moved; return how many."""
    now = clock.now()
    async with database.transaction() as tx:
        await segments.compute_bounds(tx, now)
        return await segments.mark_moved_cells(tx, now)
