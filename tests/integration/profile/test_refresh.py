"""The refresher: customers folded after they changed, and what is said of them, numbered."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.profile.handlers import refresh
from shared.clock import FixedClock
from shared.db import Database
from shared.events import decode
from shared.identity import transition_id
from tests.fixtures.waiting import until
from tests.integration.profile.conftest import Api
from tests.integration.profile.histories import (
    ANNA,
    BORIS,
    CARD,
    CHAIN,
    NOON,
    SUBSCRIPTION,
    apply,
    assigned,
    named,
    receipt,
    void,
)

pytestmark = pytest.mark.postgres


async def said(database: Database, customer_id: UUID = ANNA) -> list[tuple[str, str | None, int]]:
    """What was said of a customer, in order of saying: type, segment or stage, n."""
    rows = await database.fetch(
        "SELECT body FROM unnumbered JOIN events USING (event_id) WHERE unnumbered.key = $1 ORDER BY arrival",
        str(customer_id),
    )
    return [_in_short(decode(row["body"]).data) for row in rows]


def _in_short(data: Any) -> tuple[str, str | None, int]:
    what = getattr(data, "segment_id", None) or data.to_stage
    return data.event_type, what, data.n


async def refreshed(database: Database, clock: FixedClock | None = None) -> int:
    return await refresh.refresh(database, clock or FixedClock(NOON), CHAIN)


async def test_a_first_purchase_makes_a_new_customer(database: Database) -> None:
    await apply(database, receipt())
    assert await refreshed(database) == 1
    assert await said(database) == [("LifecycleChanged", "new", 1)]


async def test_nothing_is_said_twice(database: Database) -> None:
    await apply(database, receipt())
    await refreshed(database)
    await apply(database, receipt("r2", at=NOON + timedelta(minutes=1)))
    assert await refreshed(database) == 1
    assert await refreshed(database) == 0
    assert len(await said(database)) == 1


async def test_an_id_is_a_function_of_kind_customer_and_number(database: Database) -> None:
    await apply(database, receipt())
    await refreshed(database)
    assert await database.fetchval("SELECT event_id FROM events") == transition_id("lifecycle", ANNA, 1)


async def test_time_alone_makes_a_customer_slip_and_be_lost(database: Database) -> None:
    clock = FixedClock(NOON)
    await apply(database, *(receipt(f"r{day}", at=NOON - timedelta(days=70 - day)) for day in range(0, 71, 7)))
    await refreshed(database, clock)
    for days in (22, 61):
        clock.set(NOON + timedelta(days=days))
        assert await refresh.review(database, clock) == 1
        await refreshed(database, clock)
        assert await refresh.review(database, clock) == 0
    stages = [(what, n) for kind, what, n in await said(database) if kind == "LifecycleChanged"]
    assert stages == [("active", 1), ("slipping", 2), ("lost", 3)]


async def test_numbers_go_on_when_a_segment_is_entered_again(database: Database) -> None:
    saturdays = [NOON - timedelta(days=2 + 7 * week) for week in range(5)]
    await apply(database, *(receipt(f"s{n}", at=at) for n, at in enumerate(saturdays)))
    await refreshed(database)
    await apply(database, void(of="s0"))
    await refreshed(database)
    await apply(database, receipt("s9", at=NOON - timedelta(days=2, minutes=5)))
    await refreshed(database)
    weekend = [(kind, n) for kind, what, n in await said(database) if what == "weekend_shoppers"]
    assert weekend == [("SegmentEntered", 1), ("SegmentLeft", 2), ("SegmentEntered", 3)]


async def test_an_absorbed_customer_leaves_everything(api: Api, database: Database) -> None:
    await apply(database, *(receipt(f"r{n}", subject_id=CARD, at=NOON - timedelta(days=n)) for n in range(5)))
    await refreshed(database)
    await apply(database, assigned(CARD, ANNA, 1))
    await refreshed(database)
    last = await said(database, CARD)
    assert ("SegmentLeft", "one_store_shoppers", 2) in last
    assert ("LifecycleChanged", "absorbed", 2) in last
    assert ("SegmentEntered", "one_store_shoppers", 1) in await said(database, ANNA)
    members = (await api.get("/v1/segments/one_store_shoppers/members")).json()["items"]
    assert [each["customer_id"] for each in members] == [str(ANNA)]


async def test_a_guest_or_unknown_device_is_never_spoken_of(database: Database) -> None:
    await apply(database, receipt(subject_id=None))
    assert await refreshed(database) == 0


async def test_scoring_sorts_customers_into_fifths(api: Api, database: Database) -> None:
    people = [named(f"shopper {n}") for n in range(10)]
    await apply(
        database,
        *(
            receipt(f"r{n} {k}", subject_id=person, at=NOON - timedelta(days=20 - n, hours=k))
            for n, person in enumerate(people)
            for k in range(n + 1)
        ),
    )
    clock = FixedClock(NOON)
    await refreshed(database, clock)
    assert await refresh.score(database, clock) == 10
    await refreshed(database, clock)
    assert await refresh.score(database, clock) == 0
    cells = [(await api.get(f"/v1/customers/{person}")).json()["rfm"]["cell"] for person in (people[0], people[9])]
    assert cells == ["111", "555"]
    kept = await database.fetchval("SELECT rfm_cell FROM customers WHERE customer_id = $1", people[9])
    assert kept == "555"
    counts = {each["id"]: each["members"] for each in (await api.get("/v1/segments")).json()["segments"]}
    assert (counts["top_spenders"], counts["hibernating"]) == (2, 4)


async def test_rule_12_a_fact_that_commits_while_a_customer_is_refreshed_marks_it_again(database: Database) -> None:
    await apply(database, receipt("r1"))
    async with database.transaction() as late:
        await _apply_in(late, receipt("r2"))
        await refreshed(database)
    assert await refreshed(database) == 1
    assert await database.fetchval("SELECT receipts FROM customers WHERE customer_id = $1", ANNA) == 2


async def _apply_in(tx: Any, *events: Any) -> None:
    await SUBSCRIPTION.dispatch(tx, events)


async def test_rule_12_two_refreshers_at_once_say_everything_once(database: Database) -> None:
    people = [named(f"shopper {n}") for n in range(150)]
    await apply(database, *(receipt(f"r{n}", subject_id=person) for n, person in enumerate(people)))
    await asyncio.gather(*(refreshed(database) for _ in range(3)))
    while await refreshed(database):
        pass
    rows = await database.fetch("SELECT key, count(*) AS times FROM events GROUP BY key")
    assert {row["key"]: row["times"] for row in rows} == {str(person): 1 for person in people}


async def test_a_run_is_bounded_and_the_rest_waits_its_turn(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "RUN_SECONDS_MAX", 0.0)
    await apply(database, *(receipt(f"r{n}", subject_id=named(f"shopper {n}")) for n in range(150)))
    assert [await refreshed(database), await refreshed(database)] == [100, 50]


async def test_a_void_across_partitions_refreshes_both_customers(database: Database) -> None:
    await apply(database, receipt(subject_id=BORIS))
    await refreshed(database)
    await apply(database, void(subject_id=ANNA))
    assert await refreshed(database) == 2
    assert ("LifecycleChanged", "prospect", 2) in await said(database, BORIS)


async def _someone_waits(database: Database) -> bool:
    waiting: bool = await database.fetchval(
        "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database())"
    )
    return waiting


async def test_two_workers_meet_at_a_sale_and_its_void(database: Database) -> None:
    """Whichever commits first, the other one waits for it and sees what it did."""
    for round_number in range(8):
        sale = receipt(f"r{round_number}", subject_id=BORIS)
        undone = void(f"v{round_number}", of=f"r{round_number}", subject_id=ANNA)
        first, second = (sale, undone) if round_number % 2 else (undone, sale)
        async with database.transaction() as tx:
            await _apply_in(tx, first)
            other = asyncio.create_task(apply(database, second))
            await until(lambda: _someone_waits(database), 5)
        await other
    rows = await database.fetch("SELECT receipts, gross_minor, unknown_void_minor FROM subject_totals")
    assert [tuple(row) for row in rows] == [(0, 0, 0)] * 2
