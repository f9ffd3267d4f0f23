"""Analytics clients, with their odd habits: Segment's and RudderStack's."""

import gzip
from typing import Any

import httpx
import orjson
import pytest

from shared.events.behaviour import CartChangedV1, CustomV1, PageViewedV1, ProductViewedV2, SearchPerformedV1
from shared.events.customers import AttributesChangedV1
from shared.events.receipts import ReceiptRecordedV1
from shared.keys import new_key
from tests.integration.ingest.conftest import Running

pytestmark = pytest.mark.postgres


def track(event: str = "Product Viewed", number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "messageId": f"m-{number}",
        "anonymousId": "device-1",
        "event": event,
        "properties": {"product_id": "P1", "price": 12.5, "currency": "CNY"},
        **changes,
    }


def order(number: int = 1, *, event: str = "Order Completed", **properties: Any) -> dict[str, Any]:
    products = [
        {"product_id": "P1", "price": 10, "quantity": 2},
        {"sku": "P2", "price": "5.50", "quantity": 1},
    ]
    return {
        "type": "track",
        "messageId": f"o-{number}",
        "userId": "user-77",
        "event": event,
        "properties": {"order_id": "1001", "total": 28.05, "currency": "CNY", "products": products, **properties},
    }


async def results(ingest: Running, *messages: dict[str, Any], write_key: str | None = None) -> list[dict[str, Any]]:
    answer = await ingest.send("/v1/batch", {"batch": list(messages)}, write_key)
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is True
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


async def data_of(ingest: Running) -> list[Any]:
    return [envelope.data for envelope in await ingest.envelopes()]


async def test_a_batch_is_taken_and_each_message_judged_alone(ingest: Running) -> None:
    found = await results(
        ingest,
        track(),
        {"type": "dance", "anonymousId": "d"},
        track(number=2, anonymousId=None, userId=None),
        track(number=3, event=""),
        track(number=4, timestamp="not a time"),
        track(number=5, timestamp="1970-01-01T00:00:00Z"),
        track(number=6, timestamp="2300-01-01T00:00:00Z"),
        track(number=7, properties="none"),
        track(number=8, messageId="x" * 200),
        track(number=9, userId=["a"]),
        track(number=10, properties={"note": "a\u0000b"}),
        "nonsense",  # type: ignore[arg-type]
        track(number=12, properties={"note": "x" * 5_000_000}),
        track(number=13),
    )
    assert [(one["status"], one["code"], one["field"]) for one in found] == [
        ("accepted", None, None),
        ("refused", "unknown_type", "/type"),
        ("refused", "missing_identifier", "/userId"),
        ("refused", "missing_field", "/event"),
        ("refused", "invalid_field", "/timestamp"),
        ("refused", "time_out_of_range", "/timestamp"),
        ("refused", "time_out_of_range", "/timestamp"),
        ("refused", "invalid_field", "/properties"),
        ("refused", "invalid_field", "/messageId"),
        ("refused", "invalid_field", "/userId"),
        ("refused", "invalid_text", None),
        ("refused", "invalid_item", None),
        ("refused", "too_large", "/properties"),
        ("accepted", None, None),
    ]
    assert await ingest.count("refusals") == 12


@pytest.mark.parametrize("path", ["track", "t", "identify", "i", "page", "p", "screen", "s", "group", "g"])
async def test_every_route_of_one_message_takes_it(ingest: Running, path: str) -> None:
    answer = await ingest.send(f"/v1/{path}", {"userId": "u-1", "event": "X", "name": "Home", "groupId": "g"})
    assert answer.status_code == 200
    assert answer.json()["results"][0]["status"] == "accepted"


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/beacon/v1/batch"])
@pytest.mark.parametrize("way", ["basic", "body", "query"])
async def test_the_write_key_may_come_in_three_places(ingest: Running, path: str, way: str) -> None:
    key = ingest.keys.write_key
    body = {"batch": [track()]} | ({"writeKey": key} if way == "body" else {})
    answer = await ingest.client.post(
        path,
        content=orjson.dumps(body),
        params={"writeKey": key} if way == "query" else {},
        headers={"Content-Type": "text/plain"},
        auth=httpx.BasicAuth(key, "") if way == "basic" else httpx.USE_CLIENT_DEFAULT,
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("announced", [{}, {"Content-Encoding": "gzip"}])
async def test_gzip_is_undone_whether_or_not_it_is_announced(ingest: Running, announced: dict[str, str]) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | announced
    body = gzip.compress(orjson.dumps({"batch": [track()]}))
    answer = await ingest.client.post("/v1/batch", content=body, headers=headers, auth=(ingest.keys.write_key, ""))
    assert answer.json()["results"][0]["status"] == "accepted"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"batch": ', 400, "malformed_json"),
        (b"[]", 400, "malformed_json"),
        (b'{"batch": {}}', 400, "malformed_json"),
        (b'{"batch": []}', 400, "malformed_json"),
        (orjson.dumps({"batch": [1] * 2501}), 400, "malformed_json"),
        (gzip.compress(b'{"batch": []}', mtime=0)[:-9], 400, "malformed_json"),
        (gzip.compress(b"0" * 40_000_000), 413, "body_too_large"),
    ],
)
async def test_a_body_that_is_no_batch_is_refused_so_that_no_client_retries(
    ingest: Running, body: bytes, status: int, code: str
) -> None:
    answer = await ingest.client.post("/v1/batch", content=body, auth=(ingest.keys.write_key, ""))
    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert answer.json()["message"]


async def test_an_unknown_key_is_refused_with_code_and_message(ingest: Running) -> None:
    for key in ("", "nonsense", new_key()):
        answer = await ingest.client.post("/v1/batch", json={"batch": [track()], "writeKey": key})
        assert answer.status_code == 401
        assert answer.json()["code"] == "invalid_write_key"
        assert answer.json()["message"]


async def test_basic_auth_that_is_no_base64_is_no_server_error(ingest: Running) -> None:
    answer = await ingest.client.post(
        "/v1/batch", json={"batch": [track()]}, headers=[(b"Authorization", b"Basic \xff%%")]
    )
    assert answer.status_code == 401


async def test_a_disabled_source_is_refused_at_once(ingest: Running) -> None:
    await results(ingest, track())
    assert (await ingest.post("/v1/sources/shop-server:disable", None)).status_code == 204
    answer = await ingest.send("/v1/batch", {"batch": [track(number=2)]})
    assert answer.status_code == 403
    assert answer.json()["code"] == "source_disabled"


async def test_a_new_source_sends_with_the_key_that_was_shown_once(ingest: Running) -> None:
    made = (await ingest.post("/v1/sources", {"kind": "app", "id": "shop-app", "name": "the app"})).json()
    await results(ingest, track(), write_key=made["write_key"])
    listed = (await ingest.get("/v1/sources")).text
    assert "shop-app" in listed
    assert made["write_key"] not in listed
    again = await ingest.post("/v1/sources", {"kind": "app", "id": "shop-app"})
    assert again.status_code == 409


async def test_a_retry_with_the_same_number_is_a_repeat_whatever_its_times_say(ingest: Running) -> None:
    (first,) = await results(ingest, track(timestamp="2026-11-01T10:00:00Z", sentAt="2026-11-01T10:00:01Z"))
    (again,) = await results(ingest, track(timestamp="2026-11-01T10:00:00.000Z", sentAt="2026-11-01T10:05:01Z"))
    assert (first["status"], again["status"]) == ("accepted", "repeat")
    assert first["message_id"] == again["message_id"] == "m-1"


async def test_the_same_number_with_other_content_is_a_conflict(ingest: Running) -> None:
    await results(ingest, track())
    (found,) = await results(ingest, track("Something Else"))
    assert (found["status"], found["field"]) == ("conflict", "/messageId")


async def test_two_sources_number_their_messages_each_for_itself(ingest: Running) -> None:
    await results(ingest, track())
    (found,) = await results(ingest, track(), write_key=ingest.keys.web_write_key)
    assert found["status"] == "accepted"


async def test_known_names_become_typed_events(ingest: Running) -> None:
    names = ["Product Viewed", "Products Searched", "Product Added", "Product Viewed", "Loyalty Game Won"]
    messages = [track(name, number) for number, name in enumerate(names)]
    messages[1]["properties"] = {"query": "cheese"}
    messages[3]["properties"] = {}
    await results(ingest, *messages, {"type": "page", "anonymousId": "device-1", "name": "Home", "messageId": "p"})
    data = await data_of(ingest)
    assert [type(one) for one in data] == [
        ProductViewedV2, SearchPerformedV1, CartChangedV1, CustomV1, CustomV1, PageViewedV1,
    ]  # fmt: skip
    assert data[0].price_minor == 1250


async def test_an_order_from_a_secret_source_is_a_sale_that_adds_up(ingest: Running) -> None:
    await results(ingest, order())
    (envelope,) = await ingest.envelopes()
    receipt = envelope.data
    assert isinstance(receipt, ReceiptRecordedV1)
    assert receipt.kind == "sale"
    assert receipt.order_id == "1001"
    assert receipt.sold_minor == 2805
    assert [line.product_id for line in receipt.lines] == ["P1", "P2"]
    assert receipt.channel == "online"
    assert envelope.subject_kind == "identified"


async def test_an_order_counts_once_whoever_tells_of_it_and_however_often(ingest: Running) -> None:
    first, again = await results(ingest, order(1), order(2))
    assert (first["status"], again["status"]) == ("accepted", "repeat")
    assert len(await ingest.envelopes()) == 1
    where = (await ingest.get("/v1/events/o-2")).json()
    assert where["event_id"] == (await ingest.get("/v1/events/o-1")).json()["event_id"]


async def test_an_order_told_again_with_another_total_is_a_conflict(ingest: Running) -> None:
    await results(ingest, order(1))
    (found,) = await results(ingest, order(2, total=99))
    assert (found["status"], found["field"]) == ("conflict", "/properties/order_id")
    assert (await ingest.get("/v1/events/o-2")).json()["state"] == "conflict"


async def test_a_refund_returns_the_order(ingest: Running) -> None:
    await results(ingest, order(1))
    refund = {**order(2, event="Order Refunded"), "properties": {"order_id": "1001"}}
    await results(ingest, refund)
    sale, returned = await ingest.envelopes()
    assert returned.data.kind == "return"
    assert returned.data.returned_minor == 2805
    assert returned.data.returns_of.receipt_id == sale.event_id
    assert returned.subject_id == sale.subject_id


async def test_a_refund_of_a_part_says_how_much(ingest: Running) -> None:
    (found,) = await results(
        ingest, {**order(2, event="Order Refunded"), "properties": {"order_id": "1001", "total": "5.50"}}
    )
    assert found["status"] == "accepted"
    (returned,) = await ingest.envelopes()
    assert returned.data.returned_minor == 550


async def test_a_refund_of_nobody_knows_what_is_refused_by_field(ingest: Running) -> None:
    (found,) = await results(ingest, {**order(2, event="Order Refunded"), "properties": {"order_id": "1001"}})
    assert (found["status"], found["field"]) == ("refused", "/properties/total")
    assert (await ingest.get("/v1/events/o-2")).json()["state"] == "refused"


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        ({"order_id": None}, "/properties/order_id"),
        ({"currency": "XXX"}, "/properties/currency"),
        ({"total": "much"}, "/properties/total"),
        ({"total": -5}, "/properties/total"),
        ({"total": 1e40}, "/properties/total"),
        ({"products": [{"price": 1}]}, "/properties/products/0/product_id"),
        ({"products": "none"}, "/properties/products"),
        ({"products": [{"product_id": "P", "price": "x"}], "total": None}, "/properties/products/0/price"),
        ({"products": None, "total": None}, "/properties/total"),
    ],
)
async def test_what_is_wrong_with_an_order_is_named(ingest: Running, properties: dict[str, Any], field: str) -> None:
    found, good = await results(ingest, order(1, **properties), order(2, order_id="1002"))
    assert (found["status"], found["field"]) == ("refused", field)
    assert good["status"] == "accepted"


async def test_rule_17_an_order_from_a_public_source_is_behaviour(ingest: Running) -> None:
    await results(ingest, order() | {"anonymousId": "device-1"}, write_key=ingest.keys.web_write_key)
    (envelope,) = await ingest.envelopes()
    assert isinstance(envelope.data, CustomV1)
    assert envelope.subject_kind == "device"


async def test_rule_17_a_public_source_never_links_nor_speaks_for_anybody_else(ingest: Running) -> None:
    forged = {
        "type": "identify",
        "messageId": "f-1",
        "anonymousId": "device-1",
        "userId": "user-77",
        "traits": {"email": "victim@example.com", "vip": True},
    }
    await results(ingest, forged, write_key=ingest.keys.web_write_key)
    await ingest.number()
    assert await ingest.count("assignments") == 0
    assert await ingest.database.fetchval("SELECT array_agg(namespace) FROM subjects") == ["anonymous_id"]
    (envelope,) = await ingest.envelopes()
    assert envelope.subject_kind == "device"


async def test_a_secret_source_links_the_device_with_its_person(ingest: Running) -> None:
    await results(ingest, track(), write_key=ingest.keys.web_write_key)
    await results(ingest, {"type": "identify", "messageId": "i", "anonymousId": "device-1", "userId": "user-77"})
    await ingest.number()
    device = (await ingest.post("/v1/subjects:resolve", {"namespace": "anonymous_id", "value": "device-1"})).json()
    person = (await ingest.post("/v1/subjects:resolve", {"namespace": "user_id", "value": "user-77"})).json()
    assert device["customer_id"] == person["customer_id"] == person["subject_id"]


async def test_facts_become_attributes_and_contact_data_go_into_the_vault(ingest: Running) -> None:
    traits = {"email": "chen@example.com", "firstName": "Li", "plan": "gold", "age": 41, "tags": ["a"]}
    await results(ingest, {"type": "identify", "userId": "user-77", "messageId": "i", "context": {"traits": traits}})
    (data,) = await data_of(ingest)
    assert isinstance(data, AttributesChangedV1)
    assert data.attributes == {"plan": "gold", "age": 41}
    fields = await ingest.database.fetchval("SELECT array_agg(field ORDER BY field) FROM vault_entries")
    assert "firstName" in fields


async def test_a_browser_asks_first_and_may_read_every_answer(ingest: Running) -> None:
    origin = {"Origin": "https://shop.example"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-retry-count,authorization"}
    preflight = await ingest.client.options("/v1/t", headers=origin | asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
    assert "x-retry-count" in preflight.headers["access-control-allow-headers"]
    for answer in (
        await ingest.client.post("/v1/t", json={}, headers=origin),
        await ingest.client.post("/v1/t", json=track(), headers=origin, auth=(ingest.keys.web_write_key, "")),
    ):
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"


async def test_other_routes_are_not_for_browsers(ingest: Running) -> None:
    answer = await ingest.client.options("/v1/receipts", headers={"Origin": "https://shop.example"})
    assert "access-control-allow-origin" not in answer.headers


async def test_a_browsers_client_learns_where_to_send(ingest: Running) -> None:
    key = ingest.keys.web_write_key
    answer = await ingest.client.get(f"/v1/projects/{key}/settings")
    assert answer.json()["integrations"]["Segment.io"]["apiKey"] == key
    assert (await ingest.client.get("/v1/projects/nonsense/settings")).status_code == 401


async def test_the_archive_being_away_is_said_with_a_time_to_come_back(ingest: Running) -> None:
    await ingest.database.close()
    answer = await ingest.send("/v1/batch", {"batch": [track()]})
    assert answer.status_code == 503
    assert answer.headers["retry-after"].isdigit()
    assert answer.json()["code"]
