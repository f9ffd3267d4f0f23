"""What was shown and what came of it is written down and said once, however often it is reported."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from services.recommend.handlers.shown import write_down
from services.recommend.store import activity
from shared.events import decode
from shared.events.recommend import RecommendationClickedV1, RecommendationsShownV1
from tests.integration.recommend.conftest import Running, apply
from tests.integration.recommend.events import ANN, ago, bought, erased, product

pytestmark = pytest.mark.postgres


@pytest.fixture
async def shown(recommend: Running) -> dict[str, Any]:
    """The answer to one request, in a shop of five products."""
    await recommend.apply(*(product(f"p{n}") for n in range(5)), bought("a1", ANN, 3, "p3"))
    await recommend.refresh()
    return await recommend.recommend(customer_id=str(ANN), session_id="s1", limit=4)


async def said(recommend: Running) -> list[Any]:
    rows = await recommend.database.fetch("SELECT body FROM events ORDER BY stored_at, type DESC")
    return [decode(row["body"]) for row in rows]


async def report(recommend: Running, *events: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await recommend.post("/v1/events", {"events": list(events)})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def click(shown: dict[str, Any], event_id: str = "e1", **changes: Any) -> dict[str, Any]:
    first = shown["items"][0]["id"]
    return {"event_id": event_id, "type": "click", "request_id": shown["request_id"], "product_id": first} | changes


async def test_an_answered_list_is_said_and_remembered_with_its_order(
    recommend: Running, shown: dict[str, Any]
) -> None:
    await recommend.desk.shown.flush()
    (event,) = await said(recommend)
    assert isinstance(event.data, RecommendationsShownV1)
    assert (event.subject_id, event.subject_kind, event.data.session_id) == (ANN, "identified", "s1")
    assert [item.product_id for item in event.data.items] == [item["id"] for item in shown["items"]]
    kept = await recommend.database.fetchrow("SELECT request_id, product_ids FROM shown")
    assert kept is not None
    assert (str(kept["request_id"]), kept["product_ids"][0]) == (shown["request_id"], "p3")


async def test_a_click_is_joined_to_what_was_shown(recommend: Running, shown: dict[str, Any]) -> None:
    assert (await report(recommend, click(shown)))[0]["status"] == "accepted"
    event = (await said(recommend))[-1]
    assert isinstance(event.data, RecommendationClickedV1)
    assert (event.data.placement, event.data.rank, event.data.action) == ("for-you", 1, "click")
    assert (event.data.customer_id, event.subject_id) == (ANN, ANN)


async def test_an_event_counts_once_in_one_body_and_in_two(recommend: Running, shown: dict[str, Any]) -> None:
    first = await report(recommend, click(shown), click(shown))
    second = await report(recommend, click(shown))
    assert [each["status"] for each in (*first, *second)] == ["accepted", "repeat", "repeat"]
    assert await recommend.database.fetchval("SELECT count(*) FROM activity") == 1
    assert await recommend.database.fetchval("SELECT count(*) FROM unnumbered") == 2


async def test_each_event_is_judged_alone(recommend: Running, shown: dict[str, Any]) -> None:
    results = await report(
        recommend,
        click(shown, "wrong", type="glance"),
        click(shown, "fine"),
        click(shown, "unknown", request_id=str(uuid4())),
        click(shown, "told", request_id=str(uuid4()), placement="similar", rank=3),
        {"event_id": 5},
    )
    assert [(each["status"], each["code"]) for each in results] == [
        ("refused", "invalid_event"),
        ("accepted", None),
        ("refused", "unknown_request"),
        ("accepted", None),
        ("refused", "invalid_event"),
    ]
    assert results[0]["field"] == "/type"


async def test_a_visitor_nobody_knows_is_a_guest(recommend: Running, shown: dict[str, Any]) -> None:
    anonymous = await recommend.recommend()
    await report(recommend, click(anonymous))
    event = (await said(recommend))[-1]
    assert (event.subject_kind, event.data.customer_id) == ("guest", None)


async def test_an_erased_customers_activity_is_forgotten(recommend: Running, shown: dict[str, Any]) -> None:
    await report(recommend, click(shown))
    await recommend.apply(erased(ANN))
    for table in ("shown", "activity"):
        assert await recommend.database.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_what_is_said_has_the_same_id_however_often_it_is_written(
    recommend: Running, shown: dict[str, Any]
) -> None:
    buffer = recommend.desk.shown
    waiting = list(buffer._waiting)
    await buffer.flush()
    for again in waiting:
        buffer.add(again)
    await buffer.flush()
    assert len(await said(recommend)) == 1
    assert UUID(shown["request_id"])


def unwritable() -> float:
    return REGISTRY.get_sample_value("recommend_shown_dropped_total", {"reason": "unwritable"}) or 0.0


async def test_a_list_that_cannot_be_written_is_lost_alone(recommend: Running, shown: dict[str, Any]) -> None:
    buffer = recommend.desk.shown
    (good,) = buffer._waiting
    no_moment = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    lost = unwritable()
    buffer.add(replace(good, row=replace(good.row, request_id=uuid4(), shown_at=no_moment)))
    for _ in range(3):
        buffer.add(replace(good, row=replace(good.row, request_id=uuid4())))
    assert (await report(recommend, click(shown)))[0]["status"] == "accepted"
    assert len(buffer) == 0
    assert await recommend.database.fetchval("SELECT count(*) FROM shown") == 4
    assert unwritable() == lost + 1


async def test_what_was_done_goes_with_the_lists_and_not_before(recommend: Running, shown: dict[str, Any]) -> None:
    await report(recommend, click(shown), click(shown, "e2", request_id=str(uuid4()), placement="similar"))
    left = []
    for before in (ago(60), ago(-1)):
        async with recommend.database.session() as session:
            await activity.forget_shown(session, before)
            await activity.forget_activity(session, before)
        left.append(
            [await recommend.database.fetchval(f"SELECT count(*) FROM {name}") for name in ("shown", "activity")]
        )
    assert left == [[1, 2], [0, 0]]


async def test_two_who_write_down_at_once_take_turns(recommend: Running, shown: dict[str, Any]) -> None:
    buffer = recommend.desk.shown
    await asyncio.gather(buffer.flush(), buffer.flush(), report(recommend, click(shown)))
    assert (len(buffer), [event.type for event in await said(recommend)]) == (
        0,
        ["RecommendationsShown", "RecommendationClicked"],
    )


async def test_a_list_that_was_answered_before_an_erasure_and_is_written_after_it_is_nobodys(
    recommend: Running, shown: dict[str, Any]
) -> None:
    await recommend.apply(erased(ANN))
    await recommend.desk.shown.flush()
    kept = await recommend.database.fetchrow("SELECT customer_id, session_id, unit FROM shown")
    assert kept is not None
    assert set(kept.values()) == {None}
    (event,) = await said(recommend)
    assert (event.subject_kind, event.data.customer_id, event.data.session_id) == ("guest", None, None)


async def test_who_was_erased_is_in_no_report_that_still_names_them(
    recommend: Running, shown: dict[str, Any]
) -> None:
    await recommend.desk.shown.flush()
    await recommend.apply(erased(ANN))
    late = click(shown, placement="for-you", customer_id=str(ANN))
    assert (await report(recommend, late))[0]["status"] == "accepted"
    body = await recommend.database.fetchval("SELECT body FROM events WHERE type = 'RecommendationClicked'")
    event = decode(body)
    assert isinstance(event.data, RecommendationClickedV1)
    assert event.data.customer_id is None
    assert await recommend.database.fetchval("SELECT customer_id FROM activity") is None


async def test_an_erasure_waits_for_whoever_is_writing_of_the_person(
    recommend: Running, shown: dict[str, Any]
) -> None:
    async with recommend.database.transaction() as tx:
        await write_down(tx, list(recommend.desk.shown._waiting))
        erasing = asyncio.create_task(apply(recommend.database, [erased(ANN)]))
        await asyncio.wait({erasing}, timeout=0.2)
        assert not erasing.done()
    await erasing
    assert await recommend.database.fetchval("SELECT count(*) FROM shown") == 0
    assert await recommend.database.fetchval("SELECT count(*) FROM events WHERE length(body) > 0") == 0
