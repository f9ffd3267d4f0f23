"""A numbering batch is bounded by what its events cost, and the log goes on whatever they cost."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from shared import leases
from shared.db import Database, DatabaseAwayError, Transaction
from shared.log import Numberer, Outgoing
from shared.log.domain import EFFORT_MAX, Waiting
from tests.fixtures.core import numberer, page_view, say
from tests.fixtures.waiting import until

pytestmark = pytest.mark.postgres


async def queue(producer: Database, count: int) -> list[UUID]:
    events = [page_view(event_id=uuid4()) for _ in range(count)]
    await say(producer, events)
    return [event.event_id for event in events]


def leading(producer: Database, laborious: set[UUID], seconds_each: float = 0.0) -> Numberer:
    """Return a leader whose hook has work with these events, and computes so long for each."""
    leader = numberer(producer, "127.0.0.1:1", holder="tests")

    async def hook(tx: Transaction, waiting: Sequence[Waiting]) -> list[Outgoing]:
        await tx.execute("SELECT 1")
        time.sleep(seconds_each * sum(event.event_id in laborious for event in waiting))  # noqa: ASYNC251 - it computes
        return []

    async def among(_: Transaction, waiting: Sequence[Waiting]) -> set[UUID]:
        return {event.event_id for event in waiting} & laborious

    leader.hook, leader.laborious = hook, among
    return leader


async def batches(producer: Database, leader: Numberer) -> list[list[UUID]]:
    lease = await leases.claim(producer, "numberer", "tests")
    assert lease is not None
    heads = await leader.read_heads()
    found: list[list[UUID]] = []
    while True:
        try:
            numbers, heads = await leader.number_once(lease, heads)
        except DatabaseAwayError:
            heads = await leader.read_heads()
            continue
        if not numbers:
            return found
        found.append([number.event_id for number in numbers])


async def test_a_batch_holds_so_many_laborious_events_and_keeps_the_order(producer: Database) -> None:
    said = await queue(producer, 1400)
    laborious = set(said[100:1300])
    done = await batches(producer, leading(producer, laborious))
    assert [event_id for batch in done for event_id in batch] == said
    assert [len(laborious & set(batch)) for batch in done] == [EFFORT_MAX, EFFORT_MAX, 200]
    assert len(done[0]) == 100 + EFFORT_MAX


async def test_events_that_cost_nothing_are_numbered_in_whole_batches(producer: Database) -> None:
    said = await queue(producer, 1400)
    assert await batches(producer, leading(producer, set())) == [said]


async def test_a_hook_that_takes_longer_than_the_database_allows_is_given_less_until_it_ends(
    producer: Database,
) -> None:
    """Otherwise one burst would stop the log for ever: the session ends, and the same batch is tried again."""
    said = await queue(producer, 400)
    done = await batches(producer, leading(producer, set(said), seconds_each=0.006))
    assert [event_id for batch in done for event_id in batch] == said
    assert len(done[0]) == 200, "400 at once took longer than a session may stand idle in its transaction"
    assert max(len(batch) for batch in done[1:]) <= 100


async def test_the_rest_of_a_batch_that_was_cut_does_not_wait_for_the_next_look(producer: Database) -> None:
    said = await queue(producer, 1200)
    leader = leading(producer, set(said))
    leader.poll_seconds = 30.0
    lease = await leases.claim(producer, "numberer", "tests")
    assert lease is not None
    numbering = asyncio.create_task(leader._number(lease))
    try:
        await until(lambda: _all_numbered(producer, len(said)), 10)
    finally:
        numbering.cancel()
        await asyncio.gather(numbering, return_exceptions=True)


async def _all_numbered(producer: Database, count: int) -> bool:
    return bool(await producer.fetchval("SELECT count(*) FROM numbered") == count)
