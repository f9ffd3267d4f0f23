"""Events that cannot be applied hold nobody up; a running worker goes on beside them, and says so when it stops."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from regulars.embedded.broker import EmbeddedBroker
from shared.db import Database
from shared.events import Envelope
from tests.fixtures.core import PARTITIONS, consume, lead, numberer, page_view, running, say, subject_in, worker
from tests.fixtures.waiting import until

pytestmark = [pytest.mark.postgres, pytest.mark.broker]

EVENTS = 1_000
POISON = range(0, EVENTS, 100)
FLOW_SECONDS = 1.0
STARTED_SECONDS = 20.0


async def have_arrived(consumer: Database, event_ids: Sequence[UUID]) -> bool:
    found: int = await consumer.fetchval("SELECT count(*) FROM facts WHERE event_id = ANY($1)", event_ids)
    return found == len(event_ids)


async def seconds_to_arrive(producer: Database, consumer: Database, events: Sequence[Envelope[Any]]) -> float:
    """Say the events, some of which may be there already; return how long the others took from then on."""
    there = await consumer.fetch(
        "SELECT event_id FROM facts WHERE event_id = ANY($1)", [event.event_id for event in events]
    )
    awaited = {event.event_id for event in events} - {row["event_id"] for row in there}
    await say(producer, events)
    return await until(partial(have_arrived, consumer, list(awaited)), STARTED_SECONDS)


def at_work(producer: Database, consumer: Database, broker: EmbeddedBroker) -> AbstractAsyncContextManager[None]:
    """Have a leader that numbers and publishes, and a worker."""
    servers = broker.bootstrap_servers
    return running(lead(numberer(producer, servers)), consume(worker(consumer, producer, servers)))


async def poison(consumer: Database, event: Envelope[Any]) -> None:
    """Have this event's fact break the table's own rule when it comes."""
    async with consumer.transaction() as tx:
        await tx.execute("INSERT INTO facts VALUES ($1, $1)", event.event_id)


async def test_one_event_in_a_hundred_that_fails_delays_the_others_by_less_than_a_second(
    producer: Database, consumer: Database, private_broker: EmbeddedBroker
) -> None:
    async with at_work(producer, consumer, private_broker):
        await seconds_to_arrive(producer, consumer, [page_view() for _ in range(PARTITIONS)])
        clean_seconds = await seconds_to_arrive(producer, consumer, [page_view() for _ in range(EVENTS)])
        events = [page_view() for _ in range(EVENTS)]
        for place in POISON:
            await poison(consumer, events[place])
        seconds = await seconds_to_arrive(producer, consumer, events)

    assert seconds <= clean_seconds + FLOW_SECONDS
    letters = await consumer.fetch("SELECT event_id, origin, seq, reason FROM dead_letters")
    assert {row["event_id"] for row in letters} == {events[place].event_id for place in POISON}
    assert all(row["origin"] and row["seq"] and "facts_pkey" in row["reason"] for row in letters)


async def test_more_than_twenty_in_a_row_stop_their_line_with_an_alert_and_no_other(
    producer: Database, consumer: Database, private_broker: EmbeddedBroker
) -> None:
    stopped, other = subject_in(0), subject_in(1)
    bad = [page_view(stopped) for _ in range(25)]
    for event in bad:
        await poison(consumer, event)
    with capture_logs() as logs:
        async with at_work(producer, consumer, private_broker):
            await say(producer, bad)

            async def is_braked() -> bool:
                return bool(await consumer.fetchval("SELECT count(*) FROM positions WHERE braked_version = '1'"))

            await until(is_braked, STARTED_SECONDS)
            await say(producer, [page_view(stopped) for _ in range(5)])
            await seconds_to_arrive(producer, consumer, [page_view(other) for _ in range(40)])
            # Time enough for the stopped line to be tried again, were it not stopped.
            await asyncio.sleep(FLOW_SECONDS)
    assert await consumer.fetchval("SELECT count(*) FROM dead_letters") == 20
    assert await consumer.fetchval("SELECT last_seq FROM positions WHERE partition = 0") == 20
    assert await consumer.fetchval("SELECT count(*) FROM facts WHERE subject_id = $1", stopped) == 0
    alerts = [each for each in logs if each["log_level"] == "critical"]
    assert [(each["event"], each["partition"], each["dead_in_a_row"]) for each in alerts] == [
        ("worker.braked", 0, 20)
    ]
