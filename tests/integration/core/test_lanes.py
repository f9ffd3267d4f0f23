"""Two lanes in the queue for a number: what happens now goes first, what happened long ago keeps to its share."""

import time
from uuid import UUID

import pytest

from shared import leases
from shared.db import Database
from shared.log import BACKLOG, LIVE, Outgoing, append
from shared.log.domain import BACKLOG_PER_SECOND
from shared.log.numberer import BATCH_SIZE
from tests.fixtures.core import numberer, page_view

pytestmark = pytest.mark.postgres


async def queue(database: Database, lane: int, count: int) -> list[UUID]:
    events = [Outgoing.of(page_view(), lane) for _ in range(count)]
    async with database.transaction() as tx:
        await append(tx, events)
    return [event.event_id for event in events]


async def test_live_events_are_numbered_before_a_backlog_that_came_first(producer: Database) -> None:
    old = await queue(producer, BACKLOG, 30)
    new = await queue(producer, LIVE, 5)
    lease = await leases.claim(producer, "numberer", "tests")
    assert lease is not None
    leading = numberer(producer, "127.0.0.1:1", holder="tests")
    numbers, _ = await leading.number_once(lease, await leading.read_heads())
    assert [number.event_id for number in numbers] == [*new, *old]


async def test_a_long_backlog_takes_no_more_than_its_share_beside_live_events(producer: Database) -> None:
    await queue(producer, BACKLOG, 2 * BATCH_SIZE + 500)
    lease = await leases.claim(producer, "numberer", "tests")
    assert lease is not None
    leading = numberer(producer, "127.0.0.1:1", holder="tests")
    heads = await leading.read_heads()
    started = time.monotonic()
    first, heads = await leading.number_once(lease, heads)
    assert len(first) == BATCH_SIZE, "alone, it has whole batches"
    for _ in range(5):
        new = await queue(producer, LIVE, 3)
        numbers, heads = await leading.number_once(lease, heads)
        assert [number.event_id for number in numbers[:3]] == new
    taken = await producer.fetchval("SELECT count(*) FROM numbered") - BATCH_SIZE - 15
    assert taken <= (time.monotonic() - started) * BACKLOG_PER_SECOND
    line = await producer.fetch("SELECT seq FROM numbered ORDER BY partition, seq")
    assert len(line) == BATCH_SIZE + 15 + taken


async def test_a_backlog_alone_is_numbered_to_its_end(producer: Database) -> None:
    await queue(producer, BACKLOG, BATCH_SIZE + 10)
    lease = await leases.claim(producer, "numberer", "tests")
    assert lease is not None
    leading = numberer(producer, "127.0.0.1:1", holder="tests")
    heads = await leading.read_heads()
    while (done := await leading.number_once(lease, heads))[0]:
        heads = done[1]
    assert await producer.fetchval("SELECT count(*) FROM unnumbered") == 0
