"""Rule 11: while one line is filled from its producer's log, the other lines of the partition flow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from shared import leases
from shared.db import Database
from shared.kafka.port import InRecord
from shared.log import LogReader
from shared.worker.domain import Incoming, Position
from shared.worker.runner import PartitionRunner
from tests.fixtures.core import (
    TOPIC,
    DirectSource,
    facts,
    number_all,
    page_view,
    partition_runner,
    say,
    subject_in,
)

FIRST, SECOND = "ingest#1", "shop#1"


@dataclass
class SlowSource(DirectSource):
    """A producer that keeps whoever asks for a page waiting until it is let go."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def after(self, position: Position, events_max: int = 500) -> list[Incoming]:
        self.asked.set()
        await self.may_answer.wait()
        return await DirectSource.after(self, position, events_max)


async def said(producer: Database, count: int) -> list[InRecord]:
    """Say events of partition 0; return them as the broker would give them."""
    subject = subject_in(0)
    await say(producer, [page_view(subject) for _ in range(count)])
    await number_all(producer)
    reader = LogReader(producer, "ingest")
    rows = await reader.after(TOPIC, 0, 0, 10_000)
    origin = await reader.read_origin()
    records = [row.record(origin) for row in rows]
    return [InRecord(each.topic, 0, offset, each.value, each.headers) for offset, each in enumerate(records)]


def from_another(records: list[InRecord]) -> list[InRecord]:
    """Return records as another producer would have numbered them, from 1."""
    numbered, prev = [], b""
    for seq, record in enumerate(records, 1):
        headers = dict(record.headers)
        said_anew = headers | {"origin": SECOND.encode(), "seq": str(seq).encode(), "prev": prev}
        numbered.append(replace(record, headers=tuple(said_anew.items())))
        prev = headers["event_id"]
    return numbered


@asynccontextmanager
async def with_a_slow_producer(
    producer: Database, consumer: Database
) -> AsyncIterator[tuple[PartitionRunner, SlowSource]]:
    source = SlowSource(producer)
    async with partition_runner(consumer, source) as runner:
        runner.board.sources = {"ingest": source, "shop": DirectSource(producer)}
        yield runner, source
        await runner._fills.stop()


async def last_seq(consumer: Database, origin: str) -> Any:
    return await consumer.fetchval("SELECT last_seq FROM positions WHERE origin = $1", origin)


async def test_other_lines_flow_while_one_waits_for_its_producer(producer: Database, consumer: Database) -> None:
    came = await said(producer, 30)
    other = from_another(came[20:])
    async with with_a_slow_producer(producer, consumer) as (runner, source):
        await runner.take([came[0], *came[3:20], *other[:5]])
        async with asyncio.timeout(5):
            await source.asked.wait()
        await runner.take(other[5:])
        assert (await last_seq(consumer, FIRST), await last_seq(consumer, SECOND)) == (1, 10)
        assert runner._fills.topics == {TOPIC}, "its topic is not polled meanwhile"
        await consumer.execute("DELETE FROM facts")  # both producers' records are of the same events here
        source.may_answer.set()
        await runner.filled()
    assert await last_seq(consumer, FIRST) == 30
    assert len(await facts(consumer)) == 29


async def test_the_brokers_place_of_a_line_waits_until_it_is_filled(producer: Database, consumer: Database) -> None:
    came = await said(producer, 30)
    async with with_a_slow_producer(producer, consumer) as (runner, source):
        await runner.take(came[:5])
        await runner.take(came[8:20])
        async with asyncio.timeout(5):
            await source.asked.wait()
        place = "SELECT next_offset FROM positions"
        assert await consumer.fetchval(place) == 5
        source.may_answer.set()
        await runner.filled()
        assert await consumer.fetchval(place) == 20


async def test_what_comes_of_a_line_while_it_is_filled_is_fetched_later(
    producer: Database, consumer: Database
) -> None:
    came = await said(producer, 10)
    async with with_a_slow_producer(producer, consumer) as (runner, source):
        await runner.take(came[5:6])
        async with asyncio.timeout(5):
            await source.asked.wait()
        await runner.take(came[6:8])
        source.may_answer.set()
        await runner.filled()
        await runner.board.poll()
        await runner.compare_with_logs(at_end=frozenset())
        await runner.filled()
    assert await last_seq(consumer, FIRST) == 10


async def test_a_fill_that_was_overtaken_ends_the_runner(producer: Database, consumer: Database) -> None:
    came = await said(producer, 10)
    async with with_a_slow_producer(producer, consumer) as (runner, source):
        await runner.take(came[5:])
        async with asyncio.timeout(5):
            await source.asked.wait()
        await leases.release(consumer, [runner.lease])
        assert await leases.claim(consumer, "partition:0", "other") is not None
        source.may_answer.set()
        with pytest.raises(leases.DeposedError):
            await runner.filled()
    assert await facts(consumer) == set()


async def test_a_fill_that_is_ended_leaves_a_gap_that_is_filled_again(producer: Database, consumer: Database) -> None:
    came = await said(producer, 10)
    async with with_a_slow_producer(producer, consumer) as (runner, source):
        await runner.take(came[5:])
        async with asyncio.timeout(5):
            await source.asked.wait()
        await runner._fills.stop()
        source.may_answer.set()
        await runner.take(came[5:])
        await runner.filled()
    assert await last_seq(consumer, FIRST) == 10
    assert await facts(consumer) == {UUID(dict(record.headers)["event_id"].decode()) for record in came}
