"""Scoring a shop: scores with history, warnings that move once, and everything said exactly once."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from services.churn import rule
from services.churn.episodes import LEVEL_NAMES
from services.churn.handlers.scoring import Policy, score_customers
from shared.db import Database
from shared.identity import transition_id
from shared.registry import Registry
from tests.integration.churn.shops import (
    LAST_DAY,
    NOW,
    POLICY,
    SHOPPERS,
    Event,
    apply,
    assigned,
    erased,
    named,
    receipt,
    said,
    sales_of,
    shop,
    shopper,
    visit_dates,
)

pytestmark = pytest.mark.postgres

WIDE = replace(POLICY, warning_share=1.0)


async def score(
    database: Database, registry: Registry, as_of: date = LAST_DAY, policy: Policy = WIDE
) -> dict[str, Any]:
    return await score_customers(database, registry, policy, as_of=as_of, at=NOW)


@pytest.fixture
async def shop_database(database: Database) -> Database:
    events = shop()
    for start in range(0, len(events), 1000):
        await apply(database, *events[start : start + 1000])
    return database


async def warned(database: Database) -> set[Any]:
    rows = await database.fetch("SELECT customer_id FROM warnings WHERE closed_as_of IS NULL")
    return {row["customer_id"] for row in rows}


async def test_without_a_model_the_rule_scores_everybody(shop_database: Database, registry: Registry) -> None:
    result = await score(shop_database, registry)
    assert (result["model_version"], result["customers"]) == (rule.VERSION, SHOPPERS)
    rows = await shop_database.fetch("SELECT lost_by_week, partial56, model_version FROM scores")
    assert {row["model_version"] for row in rows} == {rule.VERSION}
    assert all(row["partial56"] is None for row in rows)
    assert all(sorted(row["lost_by_week"]) == row["lost_by_week"] for row in rows)


async def test_an_empty_shop_is_scored_without_an_error(database: Database, registry: Registry) -> None:
    assert (await score(database, registry))["customers"] == 0


async def test_a_customer_of_three_visits_has_insufficient_history(database: Database, registry: Registry) -> None:
    await apply(database, *sales_of(1, [LAST_DAY - timedelta(days=20 * back) for back in range(3)]))
    await score(database, registry)
    row = await database.fetchrow("SELECT state, level FROM scores")
    assert row is not None
    assert (row["state"], row["level"]) == ("insufficient_history", 0)


async def test_those_who_went_silent_are_warned_of_and_each_warning_is_said_once(
    shop_database: Database, registry: Registry
) -> None:
    result = await score(shop_database, registry)
    events = await said(shop_database)
    assert result["warnings"] == {"raised": len(events), "changed": 0, "closed": 0}
    assert events
    assert {event.type for event in events} == {"WarningRaised"}
    silent = {shopper(number) for number in range(0, SHOPPERS, 10)}
    assert len({event.data.customer_id for event in events} & silent) >= len(events) // 2
    for event in events:
        assert event.event_id == event.data.warning_id == transition_id("warning", event.data.customer_id, 1)
        assert event.subject_id == event.data.customer_id
        assert (event.data.n, event.data.as_of, event.data.currency) == (1, LAST_DAY, "USD")
        assert event.data.value_at_risk_minor > 0


async def test_scoring_twice_adds_nothing(shop_database: Database, registry: Registry) -> None:
    await score(shop_database, registry)
    before = [await shop_database.fetch(f"SELECT * FROM {table} ORDER BY 1") for table in ("scores", "warnings")]
    events = await said(shop_database)
    again = await score(shop_database, registry)
    assert again["warnings"] == {"raised": 0, "changed": 0, "closed": 0}
    after = [await shop_database.fetch(f"SELECT * FROM {table} ORDER BY 1") for table in ("scores", "warnings")]
    assert after == before
    assert await said(shop_database) == events


async def test_no_more_than_the_capacity_is_raised_however_often_a_day_is_scored(
    shop_database: Database, registry: Registry
) -> None:
    narrow = replace(WIDE, warning_share=0.02)
    first = await score(shop_database, registry, policy=narrow)
    assert first["warnings"]["raised"] == 2
    assert (await score(shop_database, registry, policy=narrow))["warnings"]["raised"] == 0
    later = await score(shop_database, registry, LAST_DAY + timedelta(days=1), narrow)
    assert later["warnings"]["raised"] <= 2


async def test_a_warning_ends_as_lapsed_when_the_silence_exceeds_the_limit(
    shop_database: Database, registry: Registry
) -> None:
    await score(shop_database, registry)
    open_before = await warned(shop_database)
    await score(shop_database, registry, LAST_DAY + timedelta(days=42))
    rows = await shop_database.fetch("SELECT outcome FROM warnings")
    assert [row["outcome"] for row in rows] == ["lapsed"] * len(open_before)
    closed = [event for event in await said(shop_database) if event.type == "WarningClosed"]
    assert {event.data.customer_id for event in closed} == open_before
    assert {event.data.n for event in closed} == {2}


async def test_a_warning_ends_as_returned_when_the_customer_comes_back(
    shop_database: Database, registry: Registry
) -> None:
    await score(shop_database, registry)
    back = LAST_DAY + timedelta(days=7)
    numbers = [number for number in range(SHOPPERS) if shopper(number) in await warned(shop_database)]
    for number in range(SHOPPERS):
        days = range(1, 8) if number in numbers else range(1, 8, 3)
        await apply(shop_database, *sales_of(number, [LAST_DAY + timedelta(days=day) for day in days]))
    await score(shop_database, registry, back)
    rows = await shop_database.fetch("SELECT customer_id, outcome FROM warnings WHERE outcome IS NOT NULL")
    assert {row["outcome"] for row in rows} == {"returned"}
    assert rows


async def test_a_closed_warning_is_followed_by_peace(shop_database: Database, registry: Registry) -> None:
    await score(shop_database, registry)
    (one, *_) = sorted(await warned(shop_database))
    await shop_database.execute(
        "UPDATE warnings SET closed_as_of = $2, outcome = 'dismissed' WHERE customer_id = $1", one, LAST_DAY
    )
    await score(shop_database, registry)
    assert one not in await warned(shop_database)


async def test_a_held_level_is_kept_where_a_new_one_would_not_be_entered(
    shop_database: Database, registry: Registry
) -> None:
    await score(shop_database, registry)
    fresh = {
        row["customer_id"]: row["level"] for row in await shop_database.fetch("SELECT customer_id, level FROM scores")
    }
    none = [one for one, level in fresh.items() if not level]
    before = LAST_DAY - timedelta(days=7)
    await score(shop_database, registry, before)
    await shop_database.execute(
        "UPDATE scores SET level = 1 WHERE as_of = $1 AND customer_id = ANY($2) AND state = 'active'", before, none
    )
    await score(shop_database, registry)
    rows = await shop_database.fetch("SELECT customer_id, level FROM scores WHERE as_of = $1", LAST_DAY)
    held = {row["customer_id"] for row in rows if row["level"] and row["customer_id"] in none}
    assert held
    assert len(held) < len(none)


async def test_a_level_that_rises_is_said_as_a_change_with_the_first_reasons(
    shop_database: Database, registry: Registry
) -> None:
    await score(shop_database, registry)
    row = await shop_database.fetchrow("SELECT customer_id, level, reasons FROM warnings WHERE level > 1 LIMIT 1")
    assert row is not None
    await shop_database.execute("UPDATE warnings SET level = 1 WHERE customer_id = $1", row["customer_id"])
    result = await score(shop_database, registry)
    assert result["warnings"] == {"raised": 0, "changed": 1, "closed": 0}
    change = (await said(shop_database))[-1]
    assert change.type == "WarningChanged"
    assert (change.data.previous_level, change.data.level, change.data.n) == ("watch", LEVEL_NAMES[row["level"]], 2)
    assert [reason.code for reason in change.data.reasons] == [reason["code"] for reason in row["reasons"]]


async def test_an_earlier_day_is_scored_for_the_record_only(shop_database: Database, registry: Registry) -> None:
    await score(shop_database, registry)
    events = await said(shop_database)
    result = await score(shop_database, registry, LAST_DAY - timedelta(days=7))
    assert not result["moved_warnings"]
    assert await said(shop_database) == events
    assert await shop_database.fetchval("SELECT count(DISTINCT as_of) FROM scores") == 2


async def test_a_score_sees_nothing_after_its_day(database: Database, registry: Registry) -> None:
    as_of = LAST_DAY - timedelta(days=56)
    await apply(database, *shop(as_of))
    await score(database, registry, as_of)
    blind = await database.fetch("SELECT * FROM scores ORDER BY customer_id")
    await apply(database, *shop())
    await score(database, registry, as_of)
    assert await database.fetch("SELECT * FROM scores ORDER BY customer_id") == blind


async def test_an_absorbed_customer_is_warned_of_no_more(shop_database: Database, registry: Registry) -> None:
    await score(shop_database, registry)
    (one, *_) = sorted(await warned(shop_database))
    other = shopper(1)
    await apply(shop_database, assigned(one, other))
    result = await score(shop_database, registry)
    assert result["customers"] == SHOPPERS - 1
    assert one not in await warned(shop_database)
    outcome = await shop_database.fetchval("SELECT outcome FROM warnings WHERE customer_id = $1", one)
    assert outcome == "cleared"


async def test_an_unmerge_gives_the_scores_back(shop_database: Database, registry: Registry) -> None:
    await score(shop_database, registry)
    sql = "SELECT lost_by_week FROM scores WHERE customer_id = ANY($1) ORDER BY customer_id"
    pair = [shopper(1), shopper(2)]
    before = await shop_database.fetch(sql, pair)
    await apply(shop_database, assigned(shopper(2), shopper(1), 1))
    await score(shop_database, registry)
    assert len(await shop_database.fetch(sql, pair)) == 1
    await apply(shop_database, assigned(shopper(2), shopper(2), 2))
    await score(shop_database, registry)
    assert await shop_database.fetch(sql, pair) == before


async def test_an_erased_customers_warning_is_closed_aloud_and_forgotten(
    shop_database: Database, registry: Registry
) -> None:
    await score(shop_database, registry)
    (one, *_) = sorted(await warned(shop_database))
    await apply(shop_database, erased(one))
    await apply(shop_database, erased(one))
    closings: list[Event] = [event for event in await said(shop_database) if event.type == "WarningClosed"]
    assert [(event.data.customer_id, event.data.outcome, event.data.n) for event in closings] == [(one, "erased", 2)]
    for table in ("scores", "warnings"):
        assert not await shop_database.fetchval(f"SELECT count(*) FROM {table} WHERE customer_id = $1", one)
    result = await score(shop_database, registry)
    assert result["customers"] == SHOPPERS - 1


async def test_reasons_are_told_in_both_languages(shop_database: Database, registry: Registry) -> None:
    await score(shop_database, registry)
    for row in await shop_database.fetch("SELECT reasons FROM warnings"):
        assert row["reasons"]
        for reason in row["reasons"]:
            assert set(reason["text"]) == {"en", "zh"}


async def test_old_scores_are_dropped(shop_database: Database, registry: Registry) -> None:
    brief = replace(WIDE, weeks_kept=4)
    await score(shop_database, registry, LAST_DAY - timedelta(days=35), brief)
    await score(shop_database, registry, LAST_DAY, brief)
    assert await shop_database.fetchval("SELECT count(DISTINCT as_of) FROM scores") == 1


async def test_a_receipt_of_a_store_is_found_again_as_the_usual_store(database: Database, registry: Registry) -> None:
    dates = visit_dates(1)[:20]
    await apply(
        database,
        *(receipt(f"{at}", day=at, store_id="S2" if number % 3 else "S1") for number, at in enumerate(dates)),
        receipt("elsewhere", subject_id=named("x"), store_id="S0"),
    )
    await score(database, registry)
    assert await database.fetchval("SELECT store_id FROM scores WHERE customer_id = $1", named("anna")) == "S2"
