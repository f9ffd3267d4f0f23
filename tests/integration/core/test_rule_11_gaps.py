"""Rules 7, 11 and P3: gaps are filled from the producer, forks stop the line, parking holds up nobody else."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from shared import leases
from shared.db import Database, DatabaseAwayError, Transaction
from shared.events import Envelope
from shared.kafka.port import InRecord
from shared.log import LogReader
from shared.worker import positions
from shared.worker.runner import PartitionRunner
from tests.fixtures.core import (
    TOPIC,
    DirectSource,
    compared,
    facts,
    number_all,
    page_view,
    partition_runner,
    record_facts,
    say,
    subject_in,
    taken,
)


async def said(producer: Database, count: int) -> list[InRecord]:
    """Say events of one subject in partition 0; return them as the broker would give them."""
    subject = subject_in(0)
    await say(producer, [page_view(subject) for _ in range(count)])
    await number_all(producer)
    return await records(producer)


async def records(producer: Database) -> list[InRecord]:
    reader = LogReader(producer, "ingest")
    rows = await reader.after(TOPIC, 0, 0, 10_000)
    found = [row.record(await reader.read_origin()) for row in rows]
    return [InRecord(r.topic, r.partition, i, r.value, r.headers) for i, r in enumerate(found)]


async def last_seq(consumer: Database) -> int:
    seq: int = await consumer.fetchval("SELECT coalesce(max(last_seq), 0) FROM positions WHERE partition = 0")
    return seq


async def test_a_record_missing_in_the_middle_is_fetched_from_the_producer(
    producer: Database, consumer: Database
) -> None:
    came = await said(producer, 20)
    source = DirectSource(producer)
    async with partition_runner(consumer, source) as running:
        await taken(running, [*came[:7], *came[8:]])
    assert len(await facts(consumer)) == 20
    assert source.pages == [13]


async def test_redelivery_in_any_order_applies_each_event_once(producer: Database, consumer: Database) -> None:
    came = await said(producer, 30)
    source = DirectSource(producer)
    async with partition_runner(consumer, source) as running:
        await taken(running, [*came[10:20], *came[:15]])
        await taken(running, came[5:30])
        await taken(running, came)
    assert len(await facts(consumer)) == 30
    assert source.pages == []


async def test_a_long_gap_is_filled_page_by_page(producer: Database, consumer: Database) -> None:
    came = await said(producer, 1200)
    source = DirectSource(producer)
    async with partition_runner(consumer, source) as running:
        await taken(running, came[-1:])
    assert len(await facts(consumer)) == 1200
    assert len(source.pages) == 3


async def test_a_line_whose_producer_is_away_is_parked_and_comes_back(producer: Database, consumer: Database) -> None:
    came = await said(producer, 10)
    source = DirectSource(producer, away=True)
    async with partition_runner(consumer, source) as running:
        await taken(running, came[:3])
        await taken(running, came[5:])
        assert await last_seq(consumer) == 3
        source.away = False
        await running.board.poll()
        await compared(running, at_end=frozenset())
    assert await last_seq(consumer) == 10
    assert len(await facts(consumer)) == 10


async def test_what_the_broker_lost_is_filled_after_two_polls_at_its_end(
    producer: Database, consumer: Database
) -> None:
    await said(producer, 10)
    async with partition_runner(consumer, DirectSource(producer)) as running:
        await running.board.poll()
        await compared(running, at_end=frozenset({TOPIC}))
        assert await last_seq(consumer) == 0
        await running.board.poll()
        await compared(running, at_end=frozenset({TOPIC}))
    assert await last_seq(consumer) == 10


async def test_nothing_is_filled_while_the_broker_still_has_more(producer: Database, consumer: Database) -> None:
    await said(producer, 10)
    async with partition_runner(consumer, DirectSource(producer)) as running:
        for _ in range(3):
            await running.board.poll()
            await compared(running, at_end=frozenset())
    assert await last_seq(consumer) == 0


async def test_rule_07_a_head_older_than_the_position_is_no_fork(producer: Database, consumer: Database) -> None:
    """The heads were asked for, then more was numbered, published and applied, then the answer is looked at."""
    came = await said(producer, 10)
    source = DirectSource(producer)
    async with partition_runner(consumer, source) as running:
        await taken(running, came[:4])
        await running.board.poll()
        await say(producer, [page_view(UUID(await producer.fetchval("SELECT key FROM numbered LIMIT 1")))])
        await number_all(producer)
        await taken(running, (await records(producer))[4:])
        await compared(running, at_end=frozenset({TOPIC}))
        assert await consumer.fetchval("SELECT forked_reason FROM positions WHERE partition = 0") is None
    assert await last_seq(consumer) == 11


async def test_rule_07_a_log_of_another_incarnation_does_not_continue_this_line(
    producer: Database, consumer: Database
) -> None:
    came = await said(producer, 10)
    async with partition_runner(consumer, DirectSource(producer)) as running:
        await taken(running, came[:3])
        await producer.execute("INSERT INTO log_origin VALUES ('ingest', 2)")
        await taken(running, came[5:])
    assert await consumer.fetchval("SELECT forked_reason FROM positions WHERE origin = 'ingest#1'") == (
        "the log is ingest#2 now"
    )
    assert len(await facts(consumer)) == 3


async def test_a_record_of_an_unknown_origin_is_passed_over(producer: Database, consumer: Database) -> None:
    came = await said(producer, 5)
    headers = tuple((name, b"stranger#1" if name == "origin" else value) for name, value in came[3].headers)
    async with partition_runner(consumer, DirectSource(producer)) as running:
        await taken(running, [replace(came[3], headers=headers), *came])
    assert len(await facts(consumer)) == 5


async def test_a_producer_that_is_away_is_asked_for_nothing_and_is_no_stall(
    producer: Database, consumer: Database
) -> None:
    """One that hangs instead of refusing would hold up the other lines at each try to come back."""
    came = await said(producer, 10)
    source = DirectSource(producer)
    async with partition_runner(consumer, source) as running:
        await taken(running, came[:3])
        await running.board.poll()
        assert running._measure() == 7
        source.away = True
        await taken(running, came[5:])
        assert running._measure() == 0
        await running.board.poll()
        await compared(running, at_end=frozenset({TOPIC}))
        assert running._measure() == 0
    assert source.pages == []


async def test_a_batch_too_large_for_the_databases_deadlines_is_applied_in_smaller_ones(
    producer: Database, consumer: Database
) -> None:
    came = await said(producer, 64)
    sizes: list[int] = []

    async def slow(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
        sizes.append(len(events))
        if len(events) > 10:
            await tx.execute("SET LOCAL statement_timeout = 1")
            await tx.execute("SELECT pg_sleep(0.1)")
        await record_facts(tx, events)

    async with partition_runner(consumer, DirectSource(producer), handler=slow) as running:
        await taken(running, came)
    assert sizes == [64, 32, 16, *[8] * 8]
    assert len(await facts(consumer)) == 64


async def test_rule_14_what_follows_a_brake_in_a_divided_batch_is_not_applied(
    producer: Database, consumer: Database
) -> None:
    came = await said(producer, 64)
    calls = 0

    async def failing(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise DatabaseAwayError("once")
        raise ValueError("always")

    async with partition_runner(consumer, DirectSource(producer), handler=failing) as running:
        await taken(running, came)
    row = await consumer.fetchrow("SELECT last_seq, braked_version FROM positions")
    assert row is not None
    assert (row["last_seq"], row["braked_version"]) == (20, "1")


async def test_rule_07_a_restored_producer_stops_the_line_with_an_alarm(
    producer: Database, consumer: Database
) -> None:
    came = await said(producer, 10)
    async with partition_runner(consumer, DirectSource(producer)) as running:
        await taken(running, came)
        await producer.execute("DELETE FROM numbered WHERE seq > 6")
        await running.board.poll()
        await compared(running, at_end=frozenset({TOPIC}))
        assert await consumer.fetchval("SELECT forked_reason FROM positions WHERE partition = 0") is not None
        await number_other_history(producer)
        await taken(running, (await records(producer))[6:])
    assert await last_seq(consumer) == 10
    assert len(await facts(consumer)) == 10


async def number_other_history(producer: Database) -> None:
    subject = UUID(await producer.fetchval("SELECT key FROM numbered LIMIT 1"))
    await say(producer, [page_view(subject) for _ in range(8)])
    await number_all(producer)


async def test_rule_07_another_history_past_the_position_is_noticed_by_its_predecessor(
    producer: Database, consumer: Database
) -> None:
    came = await said(producer, 10)
    async with partition_runner(consumer, DirectSource(producer)) as running:
        await taken(running, came)
        await producer.execute("DELETE FROM numbered WHERE seq > 6")
        await number_other_history(producer)
        await taken(running, (await records(producer))[10:])
        assert "follows" in await consumer.fetchval("SELECT forked_reason FROM positions WHERE partition = 0")
    assert len(await facts(consumer)) == 10


async def test_rule_10_a_worker_that_was_overtaken_changes_nothing(producer: Database, consumer: Database) -> None:
    came = await said(producer, 10)
    async with partition_runner(consumer, DirectSource(producer)) as frozen:
        await frozen.take(came[:2])
        await leases.release(consumer, [frozen.lease])
        other = await leases.claim(consumer, "partition:0", "other")
        assert other is not None
        with pytest.raises(leases.DeposedError):
            await frozen.take(came[2:])
    assert await last_seq(consumer) == 2


async def test_rule_10_the_position_is_a_fence_of_its_own(producer: Database, consumer: Database) -> None:
    """Even two workers that both believe in the same generation cannot apply one event twice."""
    came = await said(producer, 10)
    async with partition_runner(consumer, DirectSource(producer)) as one:
        two = PartitionRunner(
            one.applier, one.broker, one.board, one.progress, one.lease, one.partition, one.partitions
        )
        for each in (one, two):
            each._positions = {p.line: p for p in await positions.load(consumer, 0)}
        outcomes = await asyncio.gather(one.take(came), two.take(came), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["DeposedError", "NoneType"]
    assert len(await facts(consumer)) == 10
