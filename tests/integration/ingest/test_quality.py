"""Rules of quality: counted, visible in results, and never silent."""

from typing import Any

import orjson
import pytest

from services.ingest.domain.quality import RULES
from services.ingest.domain.sealing import unpack, unseal
from services.ingest.handlers.accepting.keeping import original_place
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.test_clients import order, track

pytestmark = pytest.mark.postgres

EAN = "6901234567892"
LINE = receipt()["lines"][0]


def wide(text: str) -> str:
    """Return the text in full-width characters, as Chinese keyboards write it."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


async def sold(ingest: Running, **changes: Any) -> dict[str, Any]:
    (result,) = await ingest.results("/v1/receipts", receipt(**changes))
    assert result["status"] in {"accepted", "repeat"}, result
    return result


def lines(*changes: dict[str, Any], without: str = "") -> list[dict[str, Any]]:
    found = [{**LINE, "line_number": number, **change} for number, change in enumerate(changes, 1)]
    return [{name: value for name, value in line.items() if name != without} for line in found]


async def rules(ingest: Running, **asked: Any) -> dict[str, dict[str, Any]]:
    answer = await ingest.get("/v1/quality", **asked)
    return {one["rule"]: one for one in answer.json()["rules"]}


async def test_a_correction_is_in_the_result_counted_and_the_original_stays(ingest: Running) -> None:
    phone = {"namespace": "phone", "value": "0086 139-1234-5678"}
    result = await sold(ingest, currency="rmb", business_date="2026/3/1", identifiers=[phone])
    assert result["corrections"] == [
        {"rule": "currency_code", "field": "/currency"},
        {"rule": "date_form", "field": "/business_date"},
        {"rule": "phone_to_e164", "field": "/identifiers/0/value"},
    ]
    (envelope,) = await ingest.envelopes()
    assert (envelope.data.currency, str(envelope.data.business_date)) == ("CNY", "2026-03-01")
    found = await rules(ingest)
    assert {name for name, rule in found.items() if rule["times"]} == {"currency_code", "date_form", "phone_to_e164"}
    assert found["currency_code"]["sources"][0]["times"] == 1
    assert found["currency_code"]["last_at"] is not None
    assert set(found) >= set(RULES)


async def test_what_needed_no_correction_says_nothing_of_any(ingest: Running) -> None:
    (result,) = await ingest.results("/v1/receipts", receipt())
    assert "corrections" not in result


@pytest.mark.parametrize(
    "number",
    ["13912345678", "+86 139 1234 5678", "008613912345678", wide("+8613912345678"), "139-1234-" + wide("5678")],
)
async def test_one_phone_in_every_spelling_is_one_person(ingest: Running, number: str) -> None:
    await sold(ingest, identifiers=[{"namespace": "phone", "value": "+8613912345678"}])
    await sold(ingest, number=2, identifiers=[{"namespace": "phone", "value": number}])
    assert await ingest.count("subjects") == 1


@pytest.mark.parametrize(
    "day", ["2026-03-01", "2026/3/1", "20260301", "2026.03.01", "2026年3月1日", f"{wide('2026')}-03-{wide('01')}"]
)
async def test_a_day_in_any_certain_form_is_the_same_receipt(ingest: Running, day: str) -> None:
    await sold(ingest)
    assert (await sold(ingest, business_date=day))["status"] == "repeat"


@pytest.mark.parametrize("day", ["01/03/2026", "2026-13-01", "1.3.26", "March 1"])
async def test_a_day_that_may_be_two_is_refused(ingest: Running, day: str) -> None:
    (result,) = await ingest.results("/v1/receipts", receipt(business_date=day))
    assert (result["status"], result["field"]) == ("refused", "/business_date")
    refused = (await rules(ingest))["invalid_field"]
    assert (refused["way"], refused["times"]) == ("refuse", 1)


async def test_a_time_with_slashes_is_read_and_one_without_offset_refused(ingest: Running) -> None:
    await sold(ingest, occurred_at="2026-03-01T09:01:44+08:00")
    assert (await sold(ingest, occurred_at="2026/3/1 09:01:44 +0800"))["status"] == "repeat"
    (result,) = await ingest.results("/v1/receipts", receipt(occurred_at="2026/3/1 09:01:44"))
    assert (result["status"], result["field"]) == ("refused", "/occurred_at")


async def test_a_gtin_with_separators_is_its_digits_and_a_shops_own_code_stays(ingest: Running) -> None:
    codes = ("6 901234 567892", wide(EAN), "12-345678", "P 100", "6901234567890")
    await sold(ingest, lines=lines(*({"product_id": code} for code in codes)))
    (envelope,) = await ingest.envelopes()
    assert [line.product_id for line in envelope.data.lines] == [EAN, EAN, "12-345678", "P 100", "6901234567890"]


async def products(ingest: Running, *items: dict[str, Any]) -> None:
    results = await ingest.results("/v1/catalogue/products", {"products": list(items)})
    assert {one["status"] for one in results} == {"accepted"}


async def product_ids(ingest: Running) -> list[str]:
    return [line.product_id for envelope in await ingest.envelopes() for line in getattr(envelope.data, "lines", ())]


async def test_a_gtin_becomes_the_product_that_the_catalogue_knows_by_it(ingest: Running) -> None:
    await products(ingest, {"product_id": "P100", "name": "Cheddar", "gtin": EAN})
    result = await sold(ingest, lines=lines({"product_id": EAN}, {"product_id": EAN[:-1]}, {"product_id": "P7"}))
    assert [one["rule"] for one in result["corrections"]] == ["product_code_known", "product_code_check_digit"]
    assert await product_ids(ingest) == ["P100", "P100", "P7"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_of_two_products_that_claim_a_gtin_the_later_news_holds_whichever_comes_first(
    ingest: Running, order: tuple[int, int]
) -> None:
    news = [
        {"product_id": product_id, "name": "Cheddar", "gtin": EAN, "occurred_at": f"2026-02-0{day}T09:00:00Z"}
        for day, product_id in ((1, "P200"), (2, "P100"))
    ]
    for place in order:
        await products(ingest, news[place])
    await sold(ingest, lines=lines({"product_id": EAN}))
    assert await product_ids(ingest) == ["P100"]


async def test_a_product_whose_own_id_is_a_gtin_is_found_without_its_check_digit(ingest: Running) -> None:
    await products(ingest, {"product_id": EAN, "name": "Cheddar"})
    await sold(ingest, lines=lines({"product_id": EAN}, {"product_id": EAN[:-1]}))
    assert await product_ids(ingest) == [EAN, EAN]


async def test_a_code_that_is_a_products_own_id_stays_whatever_else_it_could_mean(ingest: Running) -> None:
    own = EAN[:-1]
    await products(
        ingest, {"product_id": own, "name": "Own"}, {"product_id": "P100", "name": "Cheddar", "gtins": [EAN]}
    )
    await sold(ingest, lines=lines({"product_id": own}))
    assert await product_ids(ingest) == [own]


async def test_a_receipt_stays_a_repeat_when_the_catalogue_has_learned_in_between(ingest: Running) -> None:
    await sold(ingest, lines=lines({"product_id": EAN}))
    await products(ingest, {"product_id": "P100", "name": "Cheddar", "gtin": EAN})
    assert (await sold(ingest, lines=lines({"product_id": EAN})))["status"] == "repeat"


async def test_a_line_without_product_is_of_the_product_of_its_gtin(ingest: Running) -> None:
    await products(ingest, {"product_id": "P100", "name": "Cheddar", "gtin": EAN})
    result = await sold(ingest, lines=lines({"gtin": EAN}, {"gtin": "0036000291452"}, without="product_id"))
    assert [one["rule"] for one in result["corrections"]] == ["product_from_gtin"] * 2 + ["product_code_known"]
    assert await product_ids(ingest) == ["P100", "0036000291452"]


async def test_a_gtin_whose_check_digit_does_not_fit_is_refused(ingest: Running) -> None:
    (result,) = await ingest.results(
        "/v1/receipts", receipt(lines=lines({"gtin": "6901234567890"}, without="product_id"))
    )
    assert (result["code"], result["field"]) == ("invalid_gtin", "/lines/0/gtin")
    (result,) = await ingest.results("/v1/catalogue/products", {"product_id": "P", "name": "N", "gtins": [EAN, "1"]})
    assert (result["code"], result["field"]) == ("invalid_gtin", "/gtins")


async def test_lines_without_numbers_are_numbered_as_they_stand_but_never_some_of_them(ingest: Running) -> None:
    result = await sold(ingest, lines=lines({}, {}, without="line_number"))
    assert [one["field"] for one in result["corrections"]] == ["/lines/0/line_number", "/lines/1/line_number"]
    mixed = [lines({})[0], *lines({}, without="line_number")]
    (result,) = await ingest.results("/v1/receipts", receipt(2, lines=mixed))
    assert (result["status"], result["field"]) == ("refused", "/lines/1/line_number")


async def test_figures_of_quality_are_those_of_one_source_when_asked(ingest: Running) -> None:
    await sold(ingest, currency="cny")
    message = {"type": "identify", "userId": "u-1", "traits": {"email": " Chen@Example.COM "}}
    answer = await ingest.send("/v1/identify", message)
    assert answer.json()["results"][0]["corrections"] == [{"rule": "email_one_spelling", "field": "/traits/email"}]
    found = await rules(ingest, source_id="shop-server")
    assert (found["email_one_spelling"]["times"], found["currency_code"]["times"]) == (1, 0)


async def test_the_archive_keeps_what_was_sent(ingest: Running) -> None:
    await sold(ingest, currency="rmb")
    row = await ingest.database.fetchrow("SELECT event_id, key_id, sealed FROM originals")
    assert row is not None
    keys = await ingest.app.state.ingest.vault.existing_keys([row["key_id"]])
    original = unpack(unseal(keys[row["key_id"]], row["sealed"], original_place(row["event_id"])))
    assert orjson.loads(original)["currency"] == "rmb"


async def test_contact_data_that_leave_an_event_are_said_to(ingest: Running) -> None:
    noted = track(properties={"product_id": "P1", "note": "call 13912345678"})
    answer = await ingest.send("/v1/batch", {"batch": [noted, track(number=2)]})
    told, silent = answer.json()["results"]
    assert told["corrections"] == [{"rule": "contact_data_removed", "field": "/properties"}]
    assert "corrections" not in silent
    complaint = {"complaint_id": "c-1", "channel": "web", "text": "write to chen@example.com"}
    (result,) = await ingest.results("/v1/feedback", {"type": "complaint", "data": complaint})
    assert result["corrections"] == [{"rule": "contact_data_removed", "field": "/data"}]


async def test_an_orders_currency_and_too_many_traits_are_said_to(ingest: Running) -> None:
    traits = {"plan": "gold", "email": "chen@example.com", "about": "x" * 1001}
    identify = {"type": "identify", "userId": "u-1", "traits": traits}
    answer = await ingest.send("/v1/batch", {"batch": [order(currency="rmb"), identify]})
    sold_online, identified = answer.json()["results"]
    assert sold_online["corrections"] == [{"rule": "currency_code", "field": "/properties/currency"}]
    assert identified["corrections"] == [{"rule": "traits_cut", "field": "/traits"}]
    assert {envelope.data.currency for envelope in await ingest.envelopes() if hasattr(envelope.data, "lines")} == {
        "CNY"
    }


async def learned(ingest: Running) -> None:
    await ingest.results("/v1/catalogue/products", {"product_id": "P100", "name": "Cheddar", "gtins": [EAN]})


async def test_a_web_shops_order_speaks_of_products_as_the_catalogue_knows_them(ingest: Running) -> None:
    products = [
        {"product_id": "6 901234 567892", "price": 10, "quantity": 2},
        {"sku": EAN[:-1], "price": "5.50", "quantity": 1},
    ]
    before = (await ingest.send("/v1/track", order(products=products))).json()["results"]
    assert before[0]["corrections"] == [{"rule": "product_code_digits", "field": "/properties/products/0/product_id"}]
    await learned(ingest)
    ingest.app.state.ingest.codes._kept.clear()
    (repeat,) = (await ingest.send("/v1/track", order(products=products))).json()["results"]
    assert repeat["status"] == "repeat"
    await ingest.send("/v1/track", order(2, order_id="1002", products=products))
    second = (await ingest.envelopes())[-1].data
    assert [line.product_id for line in second.lines] == ["P100", "P100"]
    found = await rules(ingest)
    assert (found["product_code_known"]["times"], found["product_code_check_digit"]["times"]) == (1, 1)


async def test_behaviour_speaks_of_products_as_the_catalogue_knows_them(ingest: Running) -> None:
    await learned(ingest)
    cart = {"cart_id": "c", "products": [{"product_id": EAN, "price": 1}, {"product_id": "P7"}]}
    messages = [
        track(number=1, properties={"product_id": "6-901234-567892"}),
        track("Product List Viewed", 2, properties={"list_id": "l", "products": [{"sku": EAN}]}),
        track("Cart Viewed", 3, properties=cart),
        track("Danced", 4, properties={"product_id": EAN}),
    ]
    for message in messages:
        (result,) = (await ingest.send("/v1/track", message)).json()["results"]
        assert result["status"] == "accepted"
    viewed, listed, carted, danced = [one.data for one in (await ingest.envelopes())[1:]]
    assert viewed.product_id == "P100"
    assert listed.product_ids == ("P100",)
    assert [line.product_id for line in carted.lines] == ["P100", "P7"]
    assert danced.properties == {"product_id": EAN}
    again = (await ingest.send("/v1/track", messages[0])).json()["results"]
    assert again[0]["status"] == "repeat"
