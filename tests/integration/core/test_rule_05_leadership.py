"""Rule 5: one leader numbers; a deposed one numbers nothing; no number is skipped or used twice."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest

from shared import leases
from shared.db import Database, DatabaseAwayError, Transaction
from shared.kafka.port import BrokerAwayError
from shared.leases import DeposedError, Lease
from shared.log import Outgoing, Publisher
from shared.log.domain import Heads, Waiting
from tests.fixtures.core import number_all, numberer, page_view, running, say
from tests.fixtures.waiting import until

NOWHERE = "127.0.0.1:1"


async def numbers(database: Database) -> dict[int, list[int]]:
    rows = await database.fetch("SELECT partition, seq FROM numbered ORDER BY partition, seq")
    found: dict[int, list[int]] = {}
    for row in rows:
        found.setdefault(row["partition"], []).append(row["seq"])
    return found


async def test_only_one_process_leads_at_a_time(producer: Database) -> None:
    first = await leases.claim(producer, "numberer", "a")
    assert first is not None
    assert await leases.claim(producer, "numberer", "b") is None


async def test_a_lease_passes_on_when_it_expires_and_its_generation_rises(producer: Database) -> None:
    first = await leases.claim(producer, "numberer", "a", seconds=0)
    second = await leases.claim(producer, "numberer", "b")
    assert first is not None
    assert second is not None
    assert second.generation == first.generation + 1
    assert await leases.renew(producer, [first]) == set()
    assert await leases.renew(producer, [second]) == {"numberer"}


async def test_nobody_takes_over_while_a_transaction_of_the_holder_is_open(producer: Database) -> None:
    first = await leases.claim(producer, "numberer", "a", seconds=0)
    assert first is not None
    async with producer.transaction() as tx:
        await leases.fence(tx, first)
        assert await leases.claim(producer, "numberer", "b") is None
    assert await leases.claim(producer, "numberer", "b") is not None


async def test_the_holder_renews_while_its_own_transaction_is_open(producer: Database) -> None:
    lease = await leases.claim(producer, "numberer", "a")
    assert lease is not None
    async with producer.transaction() as tx:
        await leases.fence(tx, lease)
        assert await leases.renew(producer, [lease]) == {"numberer"}


async def test_a_deposed_leader_numbers_nothing(producer: Database) -> None:
    old = await leases.claim(producer, "numberer", "a", seconds=0)
    new = await leases.claim(producer, "numberer", "b")
    assert old is not None
    assert new is not None
    await say(producer, [page_view()])
    with pytest.raises(DeposedError):
        await numberer(producer, NOWHERE).number_once(old, Heads())
    assert await numbers(producer) == {}
    assert await producer.fetchval("SELECT count(*) FROM unnumbered") == 1


async def test_a_new_leader_goes_on_where_the_old_one_ended(producer: Database) -> None:
    await say(producer, [page_view() for _ in range(50)])
    await number_all(producer)
    await say(producer, [page_view() for _ in range(50)])
    await number_all(producer)
    found = await numbers(producer)
    assert sum(len(seqs) for seqs in found.values()) == 100
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in found.values())


async def test_a_leader_with_stale_heads_is_stopped_by_the_table(producer: Database) -> None:
    """The second fence: whatever goes wrong with a lease, no number is given twice."""
    lease = await leases.claim(producer, "numberer", "a")
    assert lease is not None
    one = numberer(producer, NOWHERE)
    subject = page_view().subject_id
    await say(producer, [page_view(subject)])
    await one.number_once(lease, Heads())
    await say(producer, [page_view(subject)])
    with pytest.raises(Exception, match="numbered_pkey"):
        await one.number_once(lease, Heads())


async def test_numbering_follows_the_order_of_arrival(producer: Database) -> None:
    subject = page_view().subject_id
    events = [page_view(subject) for _ in range(30)]
    for event in events:
        await say(producer, [event])
    await number_all(producer)
    rows = await producer.fetch("SELECT event_id, prev_event_id FROM numbered ORDER BY seq")
    assert [row["event_id"] for row in rows] == [event.event_id for event in events]
    assert [row["prev_event_id"] for row in rows] == [None, *(event.event_id for event in events[:-1])]


async def test_an_event_said_twice_is_numbered_once(producer: Database) -> None:
    event = page_view()
    assert await say(producer, [event, event]) == {event.event_id}
    assert await say(producer, [event]) == set()
    await number_all(producer)
    assert await producer.fetchval("SELECT count(*) FROM numbered") == 1


async def test_what_the_hook_says_is_numbered_right_behind(producer: Database) -> None:
    lease = await leases.claim(producer, "numberer", "a")
    assert lease is not None
    leading = numberer(producer, NOWHERE)
    subject = page_view().subject_id
    cause, effect = page_view(subject), page_view(subject)

    async def hook(tx: object, waiting: object) -> list[Outgoing]:
        return [Outgoing.of(effect)]

    leading.hook = hook
    await say(producer, [cause])
    numbered, _ = await leading.number_once(lease, Heads())
    assert [number.event_id for number in numbered] == [cause.event_id, effect.event_id]


async def test_an_event_that_the_hook_fails_on_is_numbered_and_hinders_no_other(producer: Database) -> None:
    lease = await leases.claim(producer, "numberer", "a")
    assert lease is not None
    leading = numberer(producer, NOWHERE)
    subject = page_view().subject_id
    causes = [page_view(subject) for _ in range(7)]
    effects = {cause.event_id: page_view(subject) for cause in causes}
    bad = causes[3].event_id

    async def hook(tx: Transaction, waiting: Sequence[Waiting]) -> list[Outgoing]:
        for event in waiting:
            # What a failed call has written is undone, for the whole batch.
            note = "INSERT INTO leases (name, holder, generation, expires_at) VALUES ($1, 'hook', 1, now())"
            await tx.execute(note, str(event.event_id))
        if any(event.event_id == bad for event in waiting):
            raise ValueError("cannot be borne")
        return [Outgoing.of(effects[event.event_id]) for event in waiting]

    leading.hook = hook
    await say(producer, causes)
    numbered, _ = await leading.number_once(lease, Heads())
    told = [effects[cause.event_id].event_id for cause in causes if cause.event_id != bad]
    assert [number.event_id for number in numbered] == [*(cause.event_id for cause in causes), *told]
    rows = await producer.fetch("SELECT name FROM leases WHERE holder = 'hook'")
    assert {row["name"] for row in rows} == {str(cause.event_id) for cause in causes} - {str(bad)}
    assert await producer.fetchval("SELECT reason FROM hook_failures") == "ValueError: cannot be borne"


async def test_the_next_term_makes_up_for_what_the_hook_failed_on(producer: Database) -> None:
    lease = await leases.claim(producer, "numberer", "a")
    assert lease is not None
    subject = page_view().subject_id
    cause, effect = page_view(subject), page_view(subject)
    is_mended = False

    async def hook(tx: object, waiting: Sequence[Waiting]) -> list[Outgoing]:
        if not is_mended:
            raise ValueError("not yet")
        assert [event.event_id for event in waiting] == [cause.event_id]
        return [Outgoing.of(effect)]

    leading = numberer(producer, NOWHERE)
    leading.hook = hook
    await say(producer, [cause])
    _, heads = await leading.number_once(lease, Heads())
    heads = await leading.make_up(lease, heads)
    assert await producer.fetchval("SELECT count(*) FROM hook_failures") == 1
    is_mended = True
    heads = await leading.make_up(lease, heads)
    assert await leading.make_up(lease, heads) == heads == await leading.read_heads()
    rows = await producer.fetch("SELECT event_id FROM numbered ORDER BY seq")
    assert [row["event_id"] for row in rows] == [cause.event_id, effect.event_id]
    assert await producer.fetchval("SELECT count(*) FROM hook_failures") == 0


async def test_a_hook_that_finds_the_database_away_is_asked_again_later(producer: Database) -> None:
    lease = await leases.claim(producer, "numberer", "a")
    assert lease is not None
    leading = numberer(producer, NOWHERE)

    async def hook(tx: object, waiting: object) -> list[Outgoing]:
        raise DatabaseAwayError("gone")

    leading.hook = hook
    await say(producer, [page_view()])
    with pytest.raises(DatabaseAwayError):
        await leading.number_once(lease, Heads())
    assert await numbers(producer) == {}


async def test_a_lease_is_free_again_once_released(producer: Database) -> None:
    lease = await leases.claim(producer, "x", "a")
    assert isinstance(lease, Lease)
    await leases.release(producer, [lease])
    assert await leases.claim(producer, "x", "b") is not None


async def test_a_leader_that_is_told_to_stop_while_its_infrastructure_fails_stops(
    producer: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure of one part and the cancellation of all at the same moment must not become a new term."""
    leading_now = asyncio.Event()

    async def fail_when_cancelled(self: Publisher) -> None:
        leading_now.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as cancelled:
            raise BrokerAwayError("gone at the same moment") from cancelled

    monkeypatch.setattr(Publisher, "run", fail_when_cancelled)
    leading = asyncio.create_task(numberer(producer, NOWHERE).run())
    async with asyncio.timeout(5):
        await leading_now.wait()
    leading.cancel()
    done, _ = await asyncio.wait({leading}, timeout=5)
    assert done == {leading}


async def test_a_leader_whose_infrastructure_failed_leads_again(
    producer: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = 0

    async def fail_at_first(self: Publisher) -> None:
        nonlocal terms
        terms += 1
        if terms < 3:
            raise BrokerAwayError("away")
        await asyncio.Event().wait()

    monkeypatch.setattr(Publisher, "run", fail_at_first)
    async with running(numberer(producer, NOWHERE).run()):
        await until(lambda: asyncio.sleep(0, terms == 3), 10)
        await say(producer, [page_view()])
        await until(lambda: _is_numbered(producer), 5)


async def _is_numbered(producer: Database) -> bool:
    return bool(await producer.fetchval("SELECT count(*) FROM numbered") == 1)


async def test_an_idle_leader_writes_nothing_but_its_lease(producer: Database) -> None:
    """It looks every few milliseconds; each look as a transaction of its own would flush the log each time."""
    async with running(numberer(producer, NOWHERE).run()):
        await until(lambda: _leads(producer), 5)
        # The server counts everybody's transactions: in one of these times its own vacuum may have been at work.
        assert min([await _transactions_of_a_renewal(producer) for _ in range(3)]) < 10


async def _transactions_of_a_renewal(producer: Database) -> int:
    """Return how many transactions of the whole server wrote something until the lease was renewed."""
    before: int = await producer.fetchval("SELECT pg_current_xact_id()::text::bigint")
    renewals = await producer.fetchval("SELECT expires_at FROM leases")
    await until(lambda: _renewed(producer, renewals), 5)
    after: int = await producer.fetchval("SELECT pg_current_xact_id()::text::bigint")
    return after - before


async def _leads(producer: Database) -> bool:
    return bool(await producer.fetchval("SELECT expires_at > clock_timestamp() FROM leases"))


async def _renewed(producer: Database, expires_at: datetime) -> bool:
    return bool(await producer.fetchval("SELECT expires_at > $1 FROM leases", expires_at))
