"""Tracking plans and the bot filter of a source."""

import json
from typing import Any

import httpx
import pytest

from shared.events.behaviour import ProductViewedV2
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.test_clients import track
from tests.integration.ingest.test_sources import bearer, changed, figures

pytestmark = pytest.mark.postgres

VIEWED = {
    "type": "object",
    "required": ["product_id"],
    "properties": {"product_id": {"type": "string"}, "price": {"type": "number"}, "mail": {"format": "email"}},
}
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


async def put_plan(ingest: Running, source_id: str = "shop-server", **plan: Any) -> httpx.Response:
    document = {"events": {"Product Viewed": {"schema": VIEWED}}, **plan}
    return await ingest.client.put(f"/v1/sources/{source_id}/plan", json=document, headers=bearer(ingest))


async def sent(
    ingest: Running, *messages: dict[str, Any], write_key: str | None = None
) -> list[tuple[str, str | None]]:
    answer = await ingest.send("/v1/batch", {"batch": list(messages)}, write_key)
    assert answer.status_code == 200, answer.text
    return [(one["status"], one["code"]) for one in answer.json()["results"]]


async def violations(ingest: Running, source_id: str = "shop-server") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ingest.get(f"/v1/sources/{source_id}/violations")).json()["items"]
    return found


async def test_a_plan_is_set_shown_and_taken_away(ingest: Running) -> None:
    assert (await ingest.get("/v1/sources/shop-server/plan")).json()["code"] == "plan_not_found"
    first = (await put_plan(ingest)).json()
    assert (first["changed_by"], first["on_violation"], first["on_unplanned"]) == ("tests", "allow", "allow")
    second = (await put_plan(ingest, on_unplanned="drop")).json()
    assert second["version"] > first["version"]
    shown = (await ingest.get("/v1/sources/shop-server/plan")).json()
    assert shown == second
    assert shown["events"]["Product Viewed"]["schema"] == VIEWED
    gone = await ingest.client.delete("/v1/sources/shop-server/plan", headers=bearer(ingest))
    assert gone.status_code == 204
    assert (await ingest.get("/v1/sources/shop-server/plan")).status_code == 404
    assert (await put_plan(ingest, "nobody")).json()["code"] == "source_not_found"


@pytest.mark.parametrize(
    ("action", "status", "code"),
    [("allow", "accepted", "off_plan"), ("drop", "dropped", "off_plan"), ("refuse", "refused", "off_plan")],
)
async def test_an_event_that_is_not_as_planned_is_allowed_dropped_or_refused(
    ingest: Running, action: str, status: str, code: str
) -> None:
    await put_plan(ingest, on_violation=action)
    good, bad = track(number=1), track(number=2, properties={"price": "12"})
    assert await sent(ingest, good, bad) == [("accepted", None), (status, code)]
    assert await ingest.count("events") == (2 if action == "allow" else 1)
    assert await ingest.count("refusals") == (1 if action == "refuse" else 0)
    found = await violations(ingest)
    assert {(one["rule"], one["path"], one["times"]) for one in found} == {("required", "", 1), ("type", "/price", 1)}
    assert (await figures(ingest, "shop-server"))["totals"]["violations"] == 1


async def test_an_event_names_the_field_that_is_not_as_planned(ingest: Running) -> None:
    await put_plan(ingest, on_violation="refuse")
    answer = await ingest.send("/v1/track", track(properties={"product_id": "P1", "price": "secret"}))
    (result,) = answer.json()["results"]
    assert result["field"] == "/properties/price"
    assert "secret" not in result["message"]


@pytest.mark.parametrize(("action", "status"), [("allow", "accepted"), ("drop", "dropped"), ("refuse", "refused")])
async def test_what_the_plan_does_not_name_is_unplanned(ingest: Running, action: str, status: str) -> None:
    await put_plan(ingest, on_unplanned=action)
    dance = track("Dance", properties={"step": 1})
    page = {"type": "page", "anonymousId": "d", "name": "Home"}
    assert await sent(ingest, dance, page) == [(status, "off_plan"), ("accepted", None)]
    (found,) = await violations(ingest)
    assert (found["event"], found["rule"], found["sample"]) == ("Dance", "unplanned", {"step": "number"})


async def test_an_event_may_have_an_action_of_its_own_and_identify_a_schema(ingest: Running) -> None:
    events = {
        "Product Viewed": {"schema": VIEWED, "on_violation": "refuse"},
        "$identify": {"schema": {"required": ["tier"]}},
    }
    await put_plan(ingest, events=events, on_violation="drop")
    identify = {"type": "identify", "userId": "u-1", "traits": {"tier": "gold"}}
    assert await sent(
        ingest, track(number=1, properties={}), identify, {**identify, "traits": {}, "messageId": "i-2"}
    ) == [("refused", "off_plan"), ("accepted", None), ("dropped", "off_plan")]


async def test_a_plan_holds_for_its_source_alone(ingest: Running) -> None:
    await put_plan(ingest, on_unplanned="refuse")
    assert await sent(ingest, track("Dance"), write_key=ingest.keys.web_write_key) == [("accepted", None)]


async def test_no_sample_and_no_message_holds_what_a_person_said(ingest: Running) -> None:
    await put_plan(ingest, on_unplanned="allow")
    canary = "canary@example.com"
    await sent(
        ingest,
        track(number=1, properties={"product_id": 5, "price": canary, "mail": f"no mail {canary}"}),
        track(f"Mailed {canary}", number=2, properties={canary: canary, "13912345678": 1}),
    )
    found = json.dumps(await violations(ingest), ensure_ascii=False)
    assert "canary" not in found
    assert "13912345678" not in found
    stored = await ingest.database.fetchval("SELECT string_agg(v::text, ' ') FROM plan_violations v")
    assert "canary" not in stored


async def test_names_made_up_without_end_are_counted_together(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.store.figures.VIOLATIONS_MAX", 3)
    await put_plan(ingest, on_unplanned="drop")
    for start in (0, 10):
        await sent(ingest, *(track(f"Made up {number}", number=number) for number in range(start, start + 5)))
        found = await violations(ingest)
    assert len(found) == 4
    assert sum(one["times"] for one in found) == 10


async def test_violations_come_in_pages_and_can_be_forgotten(ingest: Running) -> None:
    await put_plan(ingest, on_unplanned="drop")
    await sent(ingest, *(track(f"Step {number}", number=number) for number in range(5)))
    path = "/v1/sources/shop-server/violations"
    first = (await ingest.get(path, limit=3)).json()
    second = (await ingest.get(path, limit=3, cursor=first["next_cursor"])).json()
    assert len({one["event"] for one in first["items"] + second["items"]}) == 5
    assert second["next_cursor"] is None
    assert (await ingest.client.delete(path, headers=bearer(ingest))).status_code == 204
    assert await violations(ingest) == []


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"$ref": "https://example.com/plan.json"}, "leads out"),
        ({"$ref": "file:///etc/passwd"}, "leads out"),
        ({"properties": {"a": {"$dynamicRef": "#x"}}}, "$dynamicRef"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {}}, "$ref": "#/$defs/a"}, "refers to another"),
        ({"type": "nonsense"}, "no JSON Schema"),
        ({"pattern": "("}, "no JSON Schema"),
        ({"description": "x" * 40_000}, "larger than"),
    ],
)
async def test_a_schema_that_cannot_be_used_is_refused_with_its_place(
    ingest: Running, schema: dict[str, Any], says: str
) -> None:
    answer = await put_plan(ingest, events={"A/B": {"schema": schema}})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_plan"), answer.text
    assert answer.json()["errors"][0]["field"].startswith("/events/A~1B/schema")
    assert says in answer.json()["message"]


async def test_a_schema_nested_too_deeply_is_refused(ingest: Running) -> None:
    schema: dict[str, Any] = {}
    for _ in range(15):
        schema = {"properties": {"a": schema}}
    answer = await put_plan(ingest, events={"Deep": {"schema": schema}})
    assert "deeper" in answer.json()["message"]


async def test_a_stored_plan_that_cannot_be_used_any_more_keeps_nobody_out(ingest: Running) -> None:
    await put_plan(ingest, on_unplanned="refuse")
    await ingest.database.execute(
        "UPDATE tracking_plans SET version = version + 1,"
        """ plan = '{"events": {"a": {"schema": {"type": 5}}}, "on_violation": "drop", "on_unplanned": "drop"}'"""
    )
    ingest.app.state.ingest.sources.forget()
    assert await sent(ingest, track("Dance")) == [("accepted", None)]


@pytest.mark.parametrize(
    ("bot_filter", "expected"),
    [("off", ("accepted", None)), ("flag", ("accepted", "bot")), ("drop", ("dropped", "bot"))],
)
async def test_a_crawler_is_taken_flagged_or_dropped(
    ingest: Running, bot_filter: str, expected: tuple[str, str | None]
) -> None:
    await changed(ingest, "shop-web", bot_filter=bot_filter)
    message = track(context={"userAgent": GOOGLEBOT})
    assert await sent(ingest, message, write_key=ingest.keys.web_write_key) == [expected]
    assert await ingest.count("events") == (0 if bot_filter == "drop" else 1)
    totals = (await figures(ingest, "shop-web"))["totals"]
    assert totals["bots"] == (0 if bot_filter == "off" else 1)


async def test_what_a_flagged_crawler_did_is_kept_as_no_shoppers_view(ingest: Running) -> None:
    web = ingest.keys.web_write_key
    await changed(ingest, "shop-web", bot_filter="flag")
    views = [
        track(number=1, context={"userAgent": GOOGLEBOT}),
        track(number=2, context={"userAgent": CHROME}),
        track("Dance", number=3, context={"userAgent": CHROME}),
    ]
    await sent(ingest, *views, write_key=web)
    crawled, viewed, _ = (envelope.data for envelope in await ingest.envelopes())
    assert crawled.name == "Product Viewed"
    assert (crawled.properties["bot"], crawled.properties["product_id"]) == (True, "P1")
    assert isinstance(viewed, ProductViewedV2)
    await changed(ingest, "shop-web", bot_filter="off")
    assert await sent(ingest, *views, write_key=web) == [("repeat", None)] * 3


async def test_a_browser_is_judged_by_its_own_header_and_a_server_never_by_its_librarys(ingest: Running) -> None:
    for source_id in ("shop-web", "shop-server"):
        await changed(ingest, source_id, bot_filter="drop")
    headers = {"User-Agent": "python-requests/2.32"}

    async def status(key: str) -> str:
        answer = await ingest.client.post("/v1/track", json=track(), auth=(key, ""), headers=headers)
        found: str = answer.json()["results"][0]["status"]
        return found

    assert await status(ingest.keys.web_write_key) == "dropped"
    assert await status(ingest.keys.write_key) == "accepted"
