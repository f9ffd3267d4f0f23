"""Refusals of files, POSLog and webhooks: opened as they came, corrected in their own form, replayed, once."""

from typing import Any

import pytest

from shared.events.products import PriceChangedV1
from shared.events.receipts import ReceiptRecordedV1
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.importing import imported
from tests.integration.ingest.test_poslog import SAMPLE, post
from tests.integration.ingest.test_refusals import acted, bulk, listed
from tests.integration.ingest.test_webhooks import CUSTOMER, ORDER, REFUND, connect, hook

pytestmark = pytest.mark.postgres

AS_PRICES: dict[str, Any] = {"kind": "prices", "name": "p.csv", "decimal": ",", "mapping": '{"price": "Preis"}'}
OPEN = {"purpose": "data desk"}
PRICES = b'SKU,Preis\nP1,"5,00"\nP2,oops\n'
LINES = (
    b"customer_id,basket_id,timestamp,product_id,amount\n"
    b"6001234567,B1,2026-03-01T09:30:00+08:00,P1,5.00\n"
    b"6001234567,B1,2026-03-01T09:30:00+08:00,P2,five\n"
    b"6001234568,B2,2026-03-01T09:40:00+08:00,P2,7.00\n"
)


async def opened(ingest: Running, refusal: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await acted(ingest, refusal["refusal_id"], "open", OPEN))["original"]
    return found


async def test_a_line_of_a_file_is_corrected_as_its_cells_and_read_as_the_file_was(ingest: Running) -> None:
    await imported(ingest, PRICES, **AS_PRICES, as_of="2026-03-01T06:00:00+08:00")
    (one,) = await listed(ingest)
    assert (one["kind"], one["source_id"]) == ("prices", "files")
    original = await opened(ingest, one)
    assert original["content"] == {"SKU": "P2", "Preis": "oops"}
    assert original["file"]["lines"] == [3]
    again = await acted(ingest, one["refusal_id"], "replay", {})
    assert (again["result"]["status"], again["result"]["field"]) == ("refused", "/content/Preis")
    item = {**original, "content": {"SKU": "P2", "Preis": "6,50"}}
    answer = await acted(ingest, one["refusal_id"], "correct", {"item": item})
    assert answer["result"]["status"] == "accepted", answer
    price = next(each for each in await ingest.envelopes() if each.data.product_id == "P2")
    assert price.data == PriceChangedV1(product_id="P2", currency="CNY", price_minor=650)
    assert (price.occurred_at.isoformat(), price.source.kind) == ("2026-02-28T22:00:00+00:00", "file")
    corrected = PRICES.replace(b"oops", b'"6,50"')
    ended = await imported(ingest, corrected, **AS_PRICES, as_of="2026-03-01T06:00:00+08:00")
    assert (ended["progress"]["accepted"], ended["progress"]["repeated"]) == (0, 2)


async def test_a_line_of_a_file_may_be_corrected_as_the_routes_item_too(ingest: Running) -> None:
    await imported(ingest, PRICES, **AS_PRICES)
    (one,) = await listed(ingest)
    item = {"product_id": "P2", "currency": "CNY", "price_minor": 650, "message_id": "by-hand"}
    answer = await acted(ingest, one["refusal_id"], "correct", {"item": item})
    assert answer["result"]["status"] == "accepted", answer


async def test_a_basket_with_a_wrong_line_is_corrected_as_its_lines(ingest: Running) -> None:
    await imported(ingest, LINES, kind="receipt_lines", name="lines.csv")
    (one,) = await listed(ingest)
    original = await opened(ingest, one)
    assert [cells["product_id"] for cells in original["content"]] == ["P1", "P2"]
    again = await acted(ingest, one["refusal_id"], "replay", {})
    assert again["result"]["field"] == "/content/1/amount"
    original["content"][1]["amount"] = "2.50"
    answer = await acted(ingest, one["refusal_id"], "correct", {"item": original})
    assert answer["result"]["status"] == "accepted", answer
    sale = next(each.data for each in await ingest.envelopes() if len(each.data.lines) == 2)
    assert isinstance(sale, ReceiptRecordedV1)
    assert sale.sold_minor == 750
    ended = await imported(ingest, LINES.replace(b"five", b"2.50"), kind="receipt_lines", name="lines.csv")
    assert (ended["progress"]["accepted"], ended["progress"]["repeated"]) == (0, 2)


async def test_a_receipt_of_a_file_is_replayed_in_the_files_currency(ingest: Running) -> None:
    line = (
        b'{"store_id": "S01", "terminal_id": "T1", "business_date": "2026-03-01", "sequence_number": 1,'
        b' "kind": "sale", "occurred_at": "2026-03-01T09:30:00+08:00", "lines": [{"line_number": 1,'
        b' "product_id": "P1", "quantity": "1", "unit_price_minor": 5, "amount_minor": "?"}]}\n'
    )
    await imported(ingest, line, kind="receipts", name="r.ndjson", currency="EUR")
    (one,) = await listed(ingest)
    original = await opened(ingest, one)
    original["content"]["lines"][0]["amount_minor"] = 5
    answer = await acted(ingest, one["refusal_id"], "correct", {"item": original})
    assert answer["result"]["status"] == "accepted", answer
    (sale,) = await ingest.envelopes()
    assert sale.data.currency == "EUR"


async def test_a_poslog_transaction_is_corrected_as_xml_and_keeps_no_card(ingest: Running) -> None:
    with_card = SAMPLE.replace(
        b"</Tender>", b"<CreditDebit><AccountID>4111111111111111</AccountID></CreditDebit></Tender>"
    )
    await post(ingest, with_card)
    (one,) = await listed(ingest)
    original = await opened(ingest, one)
    assert "4111" not in str(original)
    again = await acted(ingest, one["refusal_id"], "replay", {})
    assert (again["result"]["code"], again["result"]["field"]) == (
        "missing_field",
        "/content/poslog/LineItem/1/ItemID",
    )
    text = original["content"]["poslog"]
    place = text.index("Sale", text.index("LineItem"))
    begin = text.index(">", place) + 1
    original["content"]["poslog"] = text[:begin] + "<ItemID>P77</ItemID>" + text[begin:]
    answer = await acted(ingest, one["refusal_id"], "correct", {"item": original})
    assert answer["result"]["status"] == "accepted", answer
    assert any(
        line.product_id == "P77" for each in await ingest.envelopes() for line in getattr(each.data, "lines", ())
    )


async def test_a_refused_webhook_is_corrected_in_shopifys_own_form(ingest: Running) -> None:
    await connect(ingest)
    await hook(ingest, "orders/create", {**ORDER, "total_price": "many"})
    (one,) = await listed(ingest)
    assert (one["kind"], one["field"]) == ("shopify", "/document/total_price")
    original = await opened(ingest, one)
    assert (original["shopify"], original["document"]["id"]) == ("order", ORDER["id"])
    assert (await acted(ingest, one["refusal_id"], "replay", {}))["result"]["status"] == "refused"
    item = {**original, "document": ORDER}
    answer = await acted(ingest, one["refusal_id"], "correct", {"item": item})
    assert answer["result"]["status"] == "accepted", answer
    (result,) = (await hook(ingest, "orders/create", ORDER)).json()["results"]
    assert result["status"] == "repeat"


async def test_refused_webhooks_are_replayed_in_bulk_after_the_cause_was_mended(ingest: Running) -> None:
    await connect(ingest)
    await ingest.database.execute("UPDATE sources SET kind = 'web' WHERE source_id = 'shop-server'")
    await hook(ingest, "orders/create", ORDER)
    await hook(ingest, "refunds/create", REFUND, "w2")
    assert {one["code"] for one in await listed(ingest)} == {"source_may_not"}
    await ingest.database.execute("UPDATE sources SET kind = 'server' WHERE source_id = 'shop-server'")
    ingest.app.state.ingest.sources.forget()
    done = await bulk(ingest, filter={"kind": "shopify"})
    assert (done["looked_at"], done["accepted"], done["left"]) == (2, 2, 0)
    assert (await bulk(ingest, filter={"kind": "shopify"}))["looked_at"] == 0
    assert await ingest.count("events") == 2


async def test_a_permission_without_its_time_is_corrected_alone(ingest: Running) -> None:
    await connect(ingest)
    consent = {"state": "subscribed", "consent_updated_at": None}
    await hook(ingest, "customers/update", {**CUSTOMER, "email_marketing_consent": consent})
    (one,) = await listed(ingest)
    original = await opened(ingest, one)
    assert original["shopify"] == "email_marketing_consent"
    original["document"]["email_marketing_consent"]["consent_updated_at"] = "2026-01-01T00:00:00Z"
    answer = await acted(ingest, one["refusal_id"], "correct", {"item": original})
    assert answer["result"]["status"] == "accepted", answer


@pytest.mark.parametrize(
    "item",
    [
        {"shopify": "telegram", "document": {}},
        {"shopify": ["order"], "document": {}},
        {"shopify": "order", "document": []},
        {"shopify": "order"},
        {"shopify": "email_marketing_consent", "document": {"email_marketing_consent": {"state": []}}},
    ],
)
async def test_a_correction_of_no_known_form_is_refused_by_its_field(ingest: Running, item: Any) -> None:
    await connect(ingest)
    await hook(ingest, "orders/create", {**ORDER, "total_price": "many"})
    (one,) = await listed(ingest)
    answer = await acted(ingest, one["refusal_id"], "correct", {"item": item})
    assert answer["result"]["status"] == "refused"
    assert answer["result"]["field"]


@pytest.mark.parametrize(
    "content", [[], [1], "x", None, {"poslog": 1}, {"poslog": "<a"}, {"poslog": "<POSLog/>"}, {}, [{}] * 2]
)
async def test_a_correction_of_a_line_that_is_none_is_refused_and_no_failure(ingest: Running, content: Any) -> None:
    await imported(ingest, PRICES, **AS_PRICES)
    (one,) = await listed(ingest)
    for kind in ("prices", "receipt_lines", "receipts", "telegrams"):
        item = {"file": {"kind": kind}, "content": content}
        answer = await acted(ingest, one["refusal_id"], "correct", {"item": item})
        assert answer["result"]["status"] == "refused", (kind, content)
