"""Poison events are kept in the batch's own transaction; too many in a row put the brake on."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared import leases
from shared.db import Database, DatabaseAwayError, Transaction
from shared.events import Envelope, decode, encode
from shared.events.customers import CustomerErasedV1
from shared.worker import deadletters
from shared.worker.applier import Applier
from shared.worker.domain import Incoming, Line, Position
from shared.worker.subscription import Subscription
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
)
from tests.integration.campaign.world import envelope, sale

LINE: Line = ("ingest#1", TOPIC)


def incoming(count: int, broken: Sequence[int] = ()) -> list[Incoming]:
    events = [page_view() for _ in range(count)]
    return [
        Incoming(
            *LINE,
            0,
            index + 1,
            event.event_id,
            events[index - 1].event_id if index else None,
            "PageViewed.v1",
            b'{"type": "PageViewed"' if index in broken else encode(event),
        )
        for index, event in enumerate(events)
    ]


async def applied(
    consumer: Database,
    records: Sequence[Incoming],
    position: Position | None = None,
    handler: Any = record_facts,
    code_version: str = "1",
) -> Position:
    lease = await leases.claim(consumer, "partition:0", "w")
    assert lease is not None
    applier = Applier(consumer, Subscription((TOPIC,), {"PageViewed": handler}), "profile", code_version)
    known = {LINE: position or Position(*LINE, 0)}
    return (await applier.apply(lease, known, records, {}))[LINE]


async def test_a_poison_event_is_kept_with_its_reason_and_the_others_go_through(consumer: Database) -> None:
    position = await applied(consumer, incoming(50, broken=[17]))
    assert position.last_seq == 50
    assert len(await facts(consumer)) == 49
    row = await consumer.fetchrow("SELECT seq, origin, reason FROM dead_letters")
    assert row is not None
    assert (row["seq"], row["origin"]) == (18, "ingest#1")
    assert "JSON" in row["reason"]


async def test_a_handler_that_fails_on_one_event_fails_on_that_one_only(consumer: Database) -> None:
    records = incoming(40)
    poison = records[11].event_id

    async def picky(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
        await record_facts(tx, events)
        if any(event.event_id == poison for event in events):
            raise ValueError("this one")

    await applied(consumer, records, handler=picky)
    assert await facts(consumer) == {record.event_id for record in records} - {poison}


async def test_an_event_that_breaks_a_constraint_becomes_a_dead_letter(consumer: Database) -> None:
    records = incoming(3)
    async with consumer.transaction() as tx:
        await tx.execute("INSERT INTO facts VALUES ($1, $1)", records[1].event_id)
    await applied(consumer, records)
    assert "facts_pkey" in await consumer.fetchval("SELECT reason FROM dead_letters")


async def test_infrastructure_that_is_away_makes_no_dead_letter(consumer: Database) -> None:
    async def away(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
        raise DatabaseAwayError("gone")

    with pytest.raises(DatabaseAwayError):
        await applied(consumer, incoming(3), handler=away)
    assert await consumer.fetchval("SELECT count(*) FROM dead_letters") == 0
    assert await consumer.fetchval("SELECT count(*) FROM positions") == 0


async def test_rule_14_twenty_in_a_row_put_the_brake_on_and_nothing_more_is_kept(consumer: Database) -> None:
    position = await applied(consumer, incoming(40, broken=range(5, 40)))
    assert position.braked_version == "1"
    assert position.last_seq == 25
    assert await consumer.fetchval("SELECT count(*) FROM dead_letters") == 20


async def test_rule_14_a_row_is_counted_across_batches_and_broken_by_a_good_event(consumer: Database) -> None:
    records = incoming(60, broken=[*range(15), *range(16, 30), *range(31, 60)])
    position = await applied(consumer, records[:15])
    assert (position.dead_in_a_row, position.braked_version) == (15, None)
    position = await applied(consumer, records[15:31], position)
    assert (position.dead_in_a_row, position.braked_version) == (0, None)
    position = await applied(consumer, records[31:], position)
    assert (position.last_seq, position.braked_version) == (51, "1")


async def test_rule_14_the_brake_survives_a_restart_and_is_released_by_resume(consumer: Database) -> None:
    await applied(consumer, incoming(25, broken=range(25)))
    assert await consumer.fetchval("SELECT braked_version FROM positions") == "1"
    assert await deadletters.resume(consumer) == 1
    row = await consumer.fetchrow("SELECT braked_version, dead_in_a_row FROM positions")
    assert row is not None
    assert (row["braked_version"], row["dead_in_a_row"]) == (None, 0)


async def test_rule_14_new_code_tries_again_and_brakes_only_after_twenty_of_its_own(consumer: Database) -> None:
    records = incoming(60, broken=[*range(20), *range(30, 60)])
    position = await applied(consumer, records[:20])
    assert position.braked_version == "1"
    position = await applied(consumer, records[20:45], position, code_version="2")
    assert (position.last_seq, position.dead_in_a_row, position.braked_version) == (45, 15, None)
    position = await applied(consumer, records[45:], position, code_version="2")
    assert (position.last_seq, position.braked_version) == (50, "2")


async def test_rule_14_repeats_alone_do_not_make_new_code_inherit_the_count(consumer: Database) -> None:
    """A position that only moved its offset had its brake taken off but its count of twenty left on."""
    records = incoming(30, broken=range(20))
    braked = await applied(consumer, records[:20])
    lease = await leases.claim(consumer, "partition:0", "w")
    assert lease is not None
    applier = Applier(consumer, Subscription((TOPIC,), {"PageViewed": record_facts}), "profile", "2")
    position = (await applier.apply(lease, {LINE: braked}, [], {LINE: 20}))[LINE]
    position = await applied(consumer, records[20:], position, code_version="2")
    assert (position.last_seq, position.dead_in_a_row, position.braked_version) == (30, 0, None)


async def test_rule_14_a_running_worker_goes_on_once_the_brake_is_released(
    producer: Database, consumer: Database
) -> None:
    """No restart: the release is seen at the next look at the producers, and what was dropped comes from the log."""
    fixed = False

    async def handler(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
        if not fixed:
            raise ValueError("not yet")
        await record_facts(tx, events)

    subject = subject_in(0)
    said = await say(producer, [page_view(subject) for _ in range(40)])
    await number_all(producer)
    async with partition_runner(consumer, DirectSource(producer), handler=handler) as running:
        for _ in range(3):
            await running.board.poll()
            await compared(running, at_end=frozenset({TOPIC}))
        assert await consumer.fetchval("SELECT braked_version FROM positions") == "1"
        assert running._measure() == 0
        fixed = True
        await deadletters.resume(consumer)
        for _ in range(2):
            await running.board.poll()
            await compared(running, at_end=frozenset({TOPIC}))
    assert len(await facts(consumer)) == 20
    assert await facts(consumer) < said
    assert await consumer.fetchval("SELECT last_seq FROM positions") == 40


async def test_a_reason_that_no_text_column_can_hold_is_kept_all_the_same(consumer: Database) -> None:
    async def failing(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
        raise ValueError("a NUL \x00 and a surrogate \ud800")

    await applied(consumer, incoming(1), handler=failing)
    assert await consumer.fetchval("SELECT reason FROM dead_letters") == (
        "ValueError: a NUL \\x00 and a surrogate \\ud800"
    )


async def test_a_dead_letter_is_replayed_once_however_often_it_is_asked_for(consumer: Database) -> None:
    records = incoming(5)
    refuse = True

    async def refusing(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
        if refuse:
            raise ValueError("not yet")
        await record_facts(tx, events)

    await applied(consumer, records, handler=refusing)
    refuse = False
    subscription = Subscription((TOPIC,), {"PageViewed": refusing})
    assert (await deadletters.replay(consumer, subscription)).applied == 5
    assert (await deadletters.replay(consumer, subscription)).applied == 0
    assert await facts(consumer) == {record.event_id for record in records}


async def test_a_replay_that_fails_again_keeps_the_letter_and_says_why(consumer: Database) -> None:
    records = incoming(2, broken=[0])
    await applied(consumer, records)
    outcome = await deadletters.replay(consumer, Subscription((TOPIC,), {"PageViewed": record_facts}))
    assert (outcome.applied, len(outcome.failed)) == (0, 1)
    event_id: UUID = outcome.failed[0]
    assert event_id == records[0].event_id
    assert (await deadletters.waiting(consumer))[0].event_id == event_id


async def test_a_letter_that_fails_differently_keeps_the_new_reason(consumer: Database) -> None:
    records = incoming(1)

    async def refusing(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
        raise ValueError(reasons.pop())

    reasons = ["after the fix", "at first"]
    await applied(consumer, records, handler=refusing)
    outcome = await deadletters.replay(consumer, Subscription((TOPIC,), {"PageViewed": refusing}))
    assert outcome.failed == [records[0].event_id]
    assert await consumer.fetchval("SELECT reason FROM dead_letters") == "ValueError: after the fix"


async def test_rule_10_no_worker_applies_anything_of_a_partition_while_a_letter_of_it_is_replayed(
    consumer: Database,
) -> None:
    lease = await leases.claim(consumer, "partition:0", "w")
    assert lease is not None
    async with consumer.transaction() as replaying:
        await leases.hold_off(replaying, "partition:0")
        async with consumer.transaction() as working:
            with pytest.raises(asyncpg.LockNotAvailableError):
                await _fenced_at_once(working, lease)
    async with consumer.transaction() as working:
        await leases.fence(working, lease)


async def _fenced_at_once(tx: Transaction, lease: leases.Lease) -> None:
    async with tx.savepoint():
        await tx.execute("SET LOCAL lock_timeout = '50ms'")
        await leases.fence(tx, lease)


async def test_a_letter_of_an_erased_person_keeps_neither_their_words_nor_its_reason(consumer: Database) -> None:
    """A reason may quote what it failed on; of a page view nothing stays, of a receipt the sale."""
    mine, others = subject_in(0), subject_in(0)
    erased = CustomerErasedV1(erasure_id=uuid4(), customer_id=mine, subject_ids=(others, mine))
    together = sale(others, 900)
    bodies = {
        "view": encode(page_view(mine)),
        "unreadable": b'{"type": "ReceiptRecorded", "subject_id": "%s", "cut' % str(mine).encode(),
        "receipt": encode(sale(mine, 900)),
        "another's": encode(page_view(others)),
        "another's with mine beside": encode(
            together.model_copy(update={"data": together.data.model_copy(update={"other_subject_ids": (mine,)})})
        ),
        "their erasure": encode(envelope(erased, mine)),
    }
    kinds = {"their erasure": "CustomerErased.v1"}
    for seq, (reason, body) in enumerate(bodies.items(), 1):
        await consumer.execute(
            "INSERT INTO dead_letters (origin, topic, partition, seq, event_id, type, reason, body, code_version)"
            " VALUES ('ingest#1', $1, 0, $2, gen_random_uuid(), $5, $3, $4, '1')",
            TOPIC,
            seq,
            reason,
            body,
            kinds.get(reason, "Other.v1"),
        )
    async with consumer.transaction() as tx:
        assert await deadletters.forget_letters(tx, [mine]) == 3
    left = await consumer.fetch("SELECT seq, reason, body FROM dead_letters ORDER BY seq")
    assert [row["reason"] for row in left] == ["of an erased person", *list(bodies)[3:]]
    assert [row["body"] for row in left[1:]] == list(bodies.values())[3:]
    assert decode(left[0]["body"]).subject_kind == "guest"
