"""State is a function of the set of events: any order, any batches and any repetition give equal tables."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from shared.db import Database
from tests.integration.profile.histories import (
    ANNA,
    BORIS,
    NOON,
    Event,
    apply,
    assigned,
    attributes,
    consent,
    derived_tables,
    empty,
    erased,
    product,
    receipt,
    returns_of,
    store,
    void,
)

pytestmark = pytest.mark.postgres

LATER = NOON + timedelta(days=2)

PURCHASES: tuple[Event, ...] = (
    receipt("r1", lines=[("P1", "2", 500), ("P2", "1.5", 300)]),
    receipt("r2", at=LATER, store_id="S2", coupons=("SPRING",)),
    receipt("r3", subject_id=BORIS, currency="EUR"),
    receipt("r4", subject_id=None),
    receipt("r5", training=True),
    receipt("r6", status="suspended"),
    receipt("r7", status="cancelled", lines=[]),
    receipt("r8", subject_id=None, employee=True),
    receipt("r9", device_at=NOON - timedelta(minutes=42), clock_skew_minutes=42, at=NOON - timedelta(days=30)),
    receipt("back", kind="return", at=LATER, lines=[("P1", "1", 250)], returns_of=returns_of()),
    receipt("swap", kind="exchange", lines=[("P1", "1", 700), ("P2", "1", 200)], returned=[2]),
    void("v1", of="r1", amount_minor=800),
    void("v2", of="r3", subject_id=ANNA, currency="EUR", store_id="S3"),
    void("v3", of="unseen", amount_minor=40),
    void("v4", of="r5"),
    void("v5", of="r2", subject_id=None, store_id="S2"),
    void("v6", of="r2", subject_id=BORIS, store_id="S2"),
    void("v7", of="r1", training=True),
    void("v8", of="r6", amount_minor=0),
)
FACTS_ABOUT_PEOPLE: tuple[Event, ...] = (
    assigned(ANNA, ANNA, 1, masked="****4567"),
    assigned(BORIS, ANNA, 2, masked="****1111"),
    assigned(BORIS, BORIS, 3),
    attributes("a1", {"city": "Wuhan", "kids": 2}),
    attributes("a2", {"city": None, "kids": 3}, at=LATER),
    attributes("a3", {"city": "Lima"}),
    consent("c1"),
    consent("c2", "withdrawn", at=LATER),
    consent("c3", subject_id=BORIS),
    product("P1", "GROCERY", "CHEESE"),
    product("P1", "GROCERY", "MILK", at=LATER),
    store("S1", "First", "Asia/Shanghai"),
    store("S1", "Second", "Europe/Paris"),
)
ERASURES: tuple[Event, ...] = (erased(ANNA, ANNA), erased(BORIS, ANNA))
HISTORY = (*PURCHASES, *FACTS_ABOUT_PEOPLE)


@st.composite
def deliveries(draw: st.DrawFn, events: Sequence[Event]) -> list[list[Event]]:
    """All of the events, some again, in any order, cut into batches anywhere."""
    repeats = draw(st.lists(st.sampled_from(events), max_size=6))
    shuffled = draw(st.permutations([*events, *repeats]))
    cuts = sorted(draw(st.sets(st.integers(1, len(shuffled) - 1), max_size=len(shuffled) - 1)))
    return [list(shuffled[start:end]) for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]


async def after(database: Database, batches: Sequence[Sequence[Event]]) -> dict[str, list[dict[str, Any]]]:
    await empty(database)
    for batch in batches:
        await apply(database, *batch)
    return await derived_tables(database)


_relaxed = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_relaxed
@given(batches=deliveries(PURCHASES))
async def test_purchases_give_equal_tables_in_any_order(database: Database, batches: list[list[Event]]) -> None:
    assert await after(database, batches) == await after(database, [PURCHASES])


@_relaxed
@given(batches=deliveries(HISTORY))
async def test_a_whole_history_gives_equal_tables_in_any_order(
    database: Database, batches: list[list[Event]]
) -> None:
    assert await after(database, batches) == await after(database, [[event] for event in HISTORY])


@_relaxed
@given(batches=deliveries((*HISTORY, *ERASURES)))
async def test_an_erasure_leaves_the_same_whenever_it_comes(database: Database, batches: list[list[Event]]) -> None:
    assert await after(database, batches) == await after(database, [ERASURES, HISTORY])


async def test_totals_equal_a_recount_of_the_facts(database: Database) -> None:
    await after(database, [[event] for event in reversed(PURCHASES)])
    rows = await database.fetch(
        "SELECT subject_id, currency, sum(sold_minor)::bigint AS gross, count(*) AS receipts FROM receipts"
        " WHERE NOT voided AND NOT training AND kind <> 'return' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    held = await database.fetch(
        "SELECT subject_id, currency, gross_minor AS gross, receipts FROM subject_totals"
        " WHERE receipts > 0 ORDER BY 1, 2"
    )
    assert [dict(row) for row in held] == [dict(row) for row in rows]
