"""Shopify's webhooks: believed by signature alone, an order once, money back once."""

import base64
import hashlib
import hmac
from typing import Any

import httpx
import orjson
import pytest

from shared.events.customers import AttributesChangedV1, ConsentChangedV1
from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from tests.integration.ingest.conftest import Running

pytestmark = pytest.mark.postgres

SECRET = "shpss_0123456789abcdef"
WHERE = "/v1/webhooks/shopify/shop-server"
LINE = {"sku": "P100", "variant_id": 8, "product_id": 7, "quantity": 2, "price": "10.00"}
ORDER = {
    "id": 820982911946154508,
    "created_at": "2026-03-01T09:30:00+08:00",
    "processed_at": "2026-03-01T09:30:00+08:00",
    "currency": "CNY",
    "total_price": "18.05",
    "total_discounts": "2.00",
    "discount_codes": [{"code": "SPRING", "amount": "2.00"}],
    "email": "chen@example.com",
    "customer": {"id": 115310627314723954, "email": "chen@example.com", "phone": "+8613912345678"},
    "line_items": [LINE],
    "refunds": [],
    "test": False,
}
REFUND = {
    "id": 929361463,
    "order_id": ORDER["id"],
    "created_at": "2026-03-02T10:00:00+08:00",
    "transactions": [
        {"kind": "refund", "status": "success", "amount": "9.02", "currency": "CNY"},
        {"kind": "refund", "status": "failure", "amount": "9.02", "currency": "CNY"},
    ],
    "refund_line_items": [{"line_item_id": 1, "quantity": 1, "line_item": LINE}],
}
CUSTOMER = {
    "id": 115310627314723954,
    "email": "chen@example.com",
    "first_name": "Li",
    "last_name": "Chen",
    "updated_at": "2026-03-01T09:00:00+08:00",
    "state": "enabled",
    "tags": "vip",
    "default_address": {"address1": "1 Bund", "city": "Shanghai"},
    "email_marketing_consent": {
        "state": "subscribed",
        "opt_in_level": "confirmed_opt_in",
        "consent_updated_at": "2025-12-01T00:00:00Z",
    },
}


def signed(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


async def connect(ingest: Running, secret: str = SECRET, source: str = "shop-server") -> httpx.Response:
    headers = {"Authorization": f"Bearer {ingest.keys.admin}"}
    where = f"/v1/webhooks/shopify/{source}"
    return await ingest.client.put(where, json={"secret": secret}, headers=headers)


async def hook(
    ingest: Running, topic: str, document: Any, webhook_id: str = "w1", signature: str | None = None
) -> httpx.Response:
    body = orjson.dumps(document)
    headers = {
        "X-Shopify-Topic": topic,
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Hmac-Sha256": signed(body) if signature is None else signature,
        "Content-Type": "application/json",
    }
    return await ingest.client.post(WHERE, content=body, headers=headers)


async def statuses(ingest: Running, topic: str, document: Any, webhook_id: str = "w1") -> list[str]:
    answer = await hook(ingest, topic, document, webhook_id)
    assert answer.status_code == 200, answer.text
    return [result["status"] for result in answer.json()["results"]]


async def test_an_order_is_a_sale_once_whichever_webhook_tells_of_it(ingest: Running) -> None:
    await connect(ingest)
    assert await statuses(ingest, "orders/create", ORDER) == ["accepted"]
    assert await statuses(ingest, "orders/create", ORDER) == ["repeat"]
    assert await statuses(ingest, "orders/paid", ORDER, "w2") == ["repeat"]
    assert await statuses(ingest, "orders/updated", {**ORDER, "note": "ring twice"}, "w3") == ["repeat"]
    (envelope,) = await ingest.envelopes()
    sale = envelope.data
    assert isinstance(sale, ReceiptRecordedV1)
    assert (sale.kind, sale.sold_minor, sale.currency, sale.order_id) == ("sale", 1805, "CNY", str(ORDER["id"]))
    assert (sale.lines[0].product_id, sale.lines[0].quantity) == ("P100", "2")
    assert sale.coupons == ("SPRING",)
    assert len(sale.other_subject_ids) == 2
    assert envelope.subject_kind == "identified"
    where = (await ingest.get("/v1/events/w1", source="shop-server")).json()
    assert where["event_id"] == str(envelope.event_id)


async def test_a_refund_is_the_orders_return_over_what_was_paid_back(ingest: Running) -> None:
    await connect(ingest)
    await statuses(ingest, "orders/create", ORDER)
    assert await statuses(ingest, "refunds/create", REFUND, "w2") == ["accepted"]
    assert await statuses(ingest, "refunds/create", REFUND, "w2") == ["repeat"]
    sale, refund = await ingest.envelopes()
    assert isinstance(refund.data, ReceiptRecordedV1)
    assert (refund.data.kind, refund.data.returned_minor) == ("return", 902)
    assert refund.data.returns_of is not None
    assert refund.data.returns_of.receipt_id == sale.event_id
    assert refund.subject_id == sale.subject_id


async def test_a_cancelled_order_gives_its_money_back_once(ingest: Running) -> None:
    await connect(ingest)
    await statuses(ingest, "orders/create", ORDER)
    cancelled = {
        **ORDER,
        "cancelled_at": "2026-03-02T10:01:00+08:00",
        "cancel_reason": "customer",
        "refunds": [REFUND],
    }
    assert await statuses(ingest, "orders/cancelled", cancelled, "w2") == ["accepted"]
    assert await statuses(ingest, "refunds/create", REFUND, "w3") == ["repeat"]
    kinds = [type(envelope.data).__name__ for envelope in await ingest.envelopes()]
    assert kinds == ["ReceiptRecordedV1", "ReceiptRecordedV1"]


async def test_an_order_cancelled_before_it_was_paid_is_taken_back(ingest: Running) -> None:
    await connect(ingest)
    cancelled = {**ORDER, "cancelled_at": "2026-03-02T10:01:00+08:00", "cancel_reason": "inventory"}
    assert await statuses(ingest, "orders/cancelled", cancelled, "w2") == ["accepted"]
    assert await statuses(ingest, "orders/create", ORDER, "w1") == ["accepted"]
    void, sale = await ingest.envelopes()
    assert isinstance(void.data, ReceiptVoidedV1)
    assert void.data.voids_receipt_id == sale.event_id
    assert (void.data.amount_minor, void.data.reason) == (1805, "inventory")


async def test_a_test_order_is_kept_and_never_counted(ingest: Running) -> None:
    await connect(ingest)
    await statuses(ingest, "orders/create", {**ORDER, "test": True})
    (envelope,) = await ingest.envelopes()
    assert envelope.data.training is True


async def test_a_customer_keeps_contact_data_sealed_and_a_permission_its_own_time(ingest: Running) -> None:
    await connect(ingest)
    assert await statuses(ingest, "customers/update", CUSTOMER) == ["accepted", "accepted"]
    later = {**CUSTOMER, "updated_at": "2026-03-03T09:00:00+08:00", "tags": "vip, tea"}
    assert await statuses(ingest, "customers/update", later, "w2") == ["accepted", "repeat"]
    said = [(envelope.data, envelope.occurred_at.isoformat()) for envelope in await ingest.envelopes()]
    consents = [one for one in said if isinstance(one[0], ConsentChangedV1)]
    assert [(data.channel, data.state, at) for data, at in consents] == [
        ("email", "granted", "2025-12-01T00:00:00+00:00")
    ]
    facts = [data.attributes for data, _ in said if isinstance(data, AttributesChangedV1)]
    assert facts[0] == {"shopify_state": "enabled", "shopify_tags": "vip"}
    bodies = await ingest.database.fetchval("SELECT string_agg(convert_from(body, 'UTF8'), ' ') FROM events")
    for secret in ("chen@example.com", "Bund", "Chen"):
        assert secret not in bodies
    assert await ingest.count("vault_entries") >= 4


@pytest.mark.parametrize("signature", ["", "bm9uc2Vuc2U=", "ünïcode", signed(b"another body")])
async def test_a_wrong_signature_is_refused_and_nothing_kept(ingest: Running, signature: str) -> None:
    await connect(ingest)
    body = orjson.dumps(ORDER)
    headers = [(b"x-shopify-topic", b"orders/create"), (b"x-shopify-hmac-sha256", signature.encode())]
    answer = await ingest.client.post(WHERE, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_signature")
    assert await ingest.count("events") == 0
    assert await ingest.count("refusals") == 0


async def test_a_source_without_webhook_or_none_at_all_answers_like_a_wrong_signature(ingest: Running) -> None:
    for where in (WHERE, "/v1/webhooks/shopify/nobody"):
        answer = await ingest.client.post(where, content=b"{}", headers={"X-Shopify-Hmac-Sha256": signed(b"{}")})
        assert (answer.status_code, answer.json()["code"]) == (401, "wrong_signature")


async def test_the_secret_is_kept_sealed_and_may_be_changed_without_losing_a_webhook(ingest: Running) -> None:
    assert (await connect(ingest, "the-first-secret")).status_code == 204
    assert (await connect(ingest)).status_code == 204
    body = orjson.dumps(ORDER)
    for secret in ("the-first-secret", SECRET):
        assert (await hook(ingest, "orders/create", ORDER, signature=signed(body, secret))).status_code == 200
    await connect(ingest, "the-third-secret")
    assert (await hook(ingest, "orders/create", ORDER, signature=signed(body, "the-first-secret"))).status_code == 401
    row = await ingest.database.fetchrow("SELECT * FROM webhooks")
    assert row is not None
    assert SECRET.encode() not in row["sealed_before"]
    assert b"secret" not in row["sealed"]


async def test_only_a_secret_source_can_be_a_shop(ingest: Running) -> None:
    unknown = await connect(ingest, source="nobody")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "source_not_found")
    public = await connect(ingest, source="shop-web")
    assert (public.status_code, public.json()["code"]) == (403, "source_may_not")


async def test_a_disabled_shop_is_told_so(ingest: Running) -> None:
    await connect(ingest)
    await ingest.post("/v1/sources/shop-server:disable", {})
    answer = await hook(ingest, "orders/create", ORDER)
    assert (answer.status_code, answer.json()["code"]) == (403, "source_disabled")


async def test_an_unknown_topic_is_left_out_and_answered_well(ingest: Running) -> None:
    await connect(ingest)
    answer = await hook(ingest, "products/create", {"id": 1})
    assert (answer.status_code, answer.json()) == (200, {"ignored": "products/create", "results": []})


async def test_what_is_wrong_with_an_order_is_kept_as_a_refusal(ingest: Running) -> None:
    await connect(ingest)
    answer = await hook(ingest, "orders/create", {**ORDER, "total_price": "many"})
    assert answer.status_code == 200
    (result,) = answer.json()["results"]
    assert (result["status"], result["code"]) == ("refused", "invalid_field")
    assert await ingest.count("refusals") == 1


async def test_a_clients_cancelled_order_is_taken_back_too(ingest: Running) -> None:
    order = {"type": "track", "userId": "u1", "event": "Order Completed", "messageId": "m1"}
    order["properties"] = {"order_id": "1001", "total": 28.05}  # type: ignore[assignment]
    await ingest.send("/v1/batch", {"batch": [order]})
    cancelled = {**order, "event": "Order Cancelled", "messageId": "m2", "properties": {"order_id": "1001"}}
    answer = await ingest.send("/v1/batch", {"batch": [cancelled, {**cancelled, "messageId": "m3"}]})
    assert [result["status"] for result in answer.json()["results"]] == ["accepted", "repeat"]
    sale, void = await ingest.envelopes()
    assert isinstance(void.data, ReceiptVoidedV1)
    assert (void.data.voids_receipt_id, void.data.amount_minor) == (sale.event_id, 2805)


@pytest.mark.parametrize("topic", ["orders/create", "orders/cancelled", "refunds/create", "customers/update"])
async def test_a_signed_document_of_any_shape_is_judged_and_never_a_failure_of_ours(
    ingest: Running, topic: str
) -> None:
    await connect(ingest)
    strange: list[Any] = [
        None,
        [],
        {},
        [[1]],
        {"a": {}},
        -1,
        True,
        "x",
        "1E+999999",
        "NaN",
        "9999-12-31T23:59:59+00:00",
    ]
    whole = {**CUSTOMER, **REFUND, **ORDER, "cancelled_at": ORDER["created_at"]}
    for name in whole:
        for number, value in enumerate(strange):
            answer = await hook(ingest, topic, {**whole, name: value}, f"{name}-{number}")
            assert answer.status_code == 200, (name, value, answer.text)
    shapes: tuple[Any, ...] = ([], "x", 1, None)
    for document in shapes:
        assert (await hook(ingest, topic, document)).status_code == 400


async def test_a_shops_order_speaks_of_products_as_the_catalogue_knows_them(ingest: Running) -> None:
    await connect(ingest)
    product = {"product_id": "P100", "name": "Cheddar", "gtins": ["06901234567892"]}
    await ingest.results("/v1/catalogue/products", product)
    line = {**LINE, "sku": "6901234567892"}
    (result,) = (await hook(ingest, "orders/create", {**ORDER, "line_items": [line]})).json()["results"]
    assert result["corrections"][0]["rule"] == "product_code_known"
    assert (await ingest.envelopes())[-1].data.lines[0].product_id == "P100"
