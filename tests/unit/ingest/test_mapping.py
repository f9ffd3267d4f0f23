"""From what is sent to drafts: ids, digests, events; no database."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.digests import order_key
from services.ingest.domain.sources import Source, SourceKind
from services.ingest.drafts import Context, Draft, Item, KnownEvent, Rejected, Secrets, Settled, event_id_of
from services.ingest.mapping.people import draft_consent, draft_customer, draft_feedback
from services.ingest.mapping.reading import Drafting, draft_each, own_message_id
from services.ingest.mapping.receipts import draft_receipt
from services.ingest.mapping.segment import draft_message
from services.ingest.mapping.things import CATALOGUE, drafting_of
from services.ingest.schemas.receipts import RECEIPT_EXAMPLE
from shared.events import EventData
from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from shared.identity import TillKey

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRETS = Secrets.derive(bytes(range(32)))
SERVER = Source("shop-server", SourceKind.SERVER)
WEB = Source("shop-web", SourceKind.WEB)
CARD = {"namespace": "loyalty_card", "value": "6001234567"}
LINE = {"line_number": 1, "product_id": "P1", "quantity": "1", "unit_price_minor": 500, "amount_minor": 500}


def context(source: Source = SERVER) -> Context:
    return Context(source, NOW, SECRETS, "CN", "CNY", "Asia/Shanghai")


def judged(item: Any, drafting: Drafting, source: Source = SERVER) -> Draft | Rejected:
    (one,) = draft_each([item], "tests", context(source), drafting, own_message_id)
    return one


def drafted(item: Any, drafting: Drafting, source: Source = SERVER) -> Draft:
    one = judged(item, drafting, source)
    assert isinstance(one, Draft), one
    return one


def said(draft: Draft, **known: Any) -> list[EventData]:
    original_id = uuid4() if draft.refers_to is not None else None
    return list(draft.says(Settled(uuid4(), original_id=original_id, **known)))


def receipt(**changes: Any) -> dict[str, Any]:
    return {
        "store_id": "S01",
        "terminal_id": "T3",
        "business_date": "2026-03-01",
        "sequence_number": 7,
        "kind": "sale",
        "occurred_at": "2026-03-01T09:12:44+08:00",
        "identifiers": [CARD],
        "lines": [LINE],
        **changes,
    }


def track(event: str, properties: dict[str, Any], **changes: Any) -> dict[str, Any]:
    message = {"type": "track", "messageId": "m-1", "userId": "user-77", "event": event, "properties": properties}
    return message | changes


def test_the_id_of_a_receipt_is_a_function_of_its_key_alone() -> None:
    one, other = drafted(receipt(), draft_receipt), drafted(receipt(training=True, identifiers=[]), draft_receipt)
    assert event_id_of(one.key, one.at_ms, SECRETS) == event_id_of(other.key, other.at_ms, SECRETS)
    assert one.content != other.content


@given(st.permutations(list(receipt().items())))
def test_the_order_of_fields_does_not_count(fields: list[tuple[str, Any]]) -> None:
    assert drafted(dict(fields), draft_receipt).content == drafted(receipt(), draft_receipt).content


@given(st.permutations([CARD, {"namespace": "phone", "value": "13912345678"}]))
def test_the_order_of_identifiers_does_not_count(identifiers: list[dict[str, str]]) -> None:
    draft = drafted(receipt(identifiers=identifiers), draft_receipt)
    assert [one.namespace for one in draft.identifiers] == ["loyalty_card", "phone"]


def test_the_digest_of_a_receipt_does_not_hold_its_identifiers() -> None:
    assert b"6001234567" not in drafted(receipt(), draft_receipt).content


def test_a_receipt_without_currency_is_in_the_chains() -> None:
    (data,) = said(drafted(receipt(), draft_receipt))
    assert isinstance(data, ReceiptRecordedV1)
    assert data.currency == "CNY"


def test_coupons_that_only_a_discount_names_are_presented_too() -> None:
    line = {**LINE, "discounts": [{"kind": "coupon", "code": "SPRING", "amount_minor": 1}]}
    (data,) = said(drafted(receipt(lines=[line], coupons=["WELCOME", "SPRING"]), draft_receipt))
    assert isinstance(data, ReceiptRecordedV1)
    assert data.coupons == ("WELCOME", "SPRING")


ORIGINAL = {"store_id": "S01", "terminal_id": "T3", "business_date": "2026-02-28", "sequence_number": 3}


@pytest.mark.parametrize(
    ("changes", "amount_minor"),
    [({}, 777), ({"amount_minor": 5}, 5), ({"lines": [LINE]}, 500)],
)
def test_a_void_comes_to_what_it_says_or_what_is_known(changes: dict[str, Any], amount_minor: int) -> None:
    item = receipt(kind="void", returns_of=ORIGINAL) | {"lines": []} | changes
    known = KnownEvent(uuid4(), uuid4(), "identified", 777, "CNY")
    (data,) = said(drafted(item, draft_receipt), original=known)
    assert isinstance(data, ReceiptVoidedV1)
    assert data.amount_minor == amount_minor


def test_a_return_refers_to_its_originals_key() -> None:
    draft = drafted(receipt(kind="return", returns_of=ORIGINAL), draft_receipt)
    assert isinstance(draft.refers_to, TillKey)
    assert draft.refers_to.sequence_number == 3
    assert not draft.refers_with_epoch


def line(number: int, amount_minor: int, **more: Any) -> dict[str, Any]:
    return {**LINE, "line_number": number, "amount_minor": amount_minor, **more}


def off(*amounts_minor: int) -> list[dict[str, Any]]:
    return [{"kind": "promotion", "amount_minor": amount} for amount in amounts_minor]


@pytest.mark.parametrize("kind", ["sale", "return"])
def test_discounts_on_the_whole_receipt_are_spread_so_that_the_lines_add_up_to_what_was_paid(kind: str) -> None:
    item = receipt(kind=kind, lines=[line(1, 1000), line(2, 500), line(3, 0)], discounts=off(100, 1))
    (data,) = said(drafted(item, draft_receipt))
    assert isinstance(data, ReceiptRecordedV1)
    assert [one.amount_minor for one in data.lines] == [933, 466, 0]
    assert data.sold_minor + data.returned_minor == 1399
    assert [one.amount_minor for one in data.discounts] == [100, 1]


def test_in_an_exchange_they_are_spread_over_what_was_bought() -> None:
    item = receipt(kind="exchange", lines=[line(1, 300, returned=True), line(2, 1000)], discounts=off(50))
    (data,) = said(drafted(item, draft_receipt))
    assert isinstance(data, ReceiptRecordedV1)
    assert [one.amount_minor for one in data.lines] == [300, 950]


@pytest.mark.parametrize("taken_off_minor", [501, 10**12])
def test_discounts_beyond_the_lines_are_refused(taken_off_minor: int) -> None:
    one = judged(receipt(lines=[line(1, 500)], discounts=off(taken_off_minor)), draft_receipt)
    assert isinstance(one, Rejected)
    assert (one.fault.code, one.fault.field) == ("invalid_field", "/discounts")


def test_a_public_source_records_no_receipt() -> None:
    one = judged(receipt(), draft_receipt, WEB)
    assert isinstance(one, Rejected)
    assert one.fault.code == "source_may_not"


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 10**5)), min_size=1, max_size=8),
    st.integers(0, 10**7),
)
def test_an_orders_lines_add_up_to_its_total(products: list[tuple[int, int]], total_minor: int) -> None:
    listed = [
        {"product_id": f"P{place}", "quantity": quantity, "price": str(Decimal(price_minor) / 100)}
        for place, (quantity, price_minor) in enumerate(products)
    ]
    properties = {"order_id": "1", "total": str(Decimal(total_minor) / 100), "products": listed}
    (data,) = said(drafted(track("Order Completed", properties), draft_message))
    assert isinstance(data, ReceiptRecordedV1)
    assert data.sold_minor == total_minor
    assert len(data.lines) == len(products)


def test_an_order_without_total_is_the_sum_of_what_it_names() -> None:
    properties = {
        "order_id": "1",
        "products": [{"sku": "P1", "price": 10, "quantity": 2}],
        "shipping": 5,
        "discount": 3,
    }
    (data,) = said(drafted(track("Order Completed", properties), draft_message))
    assert isinstance(data, ReceiptRecordedV1)
    assert data.sold_minor == 2200


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 1000), ("CNY", 100000), ("KWD", 1000000)])
def test_an_order_is_counted_in_its_own_currencys_units(currency: str, minor: int) -> None:
    (data,) = said(
        drafted(track("Order Completed", {"order_id": "1", "total": 1000, "currency": currency}), draft_message)
    )
    assert isinstance(data, ReceiptRecordedV1)
    assert data.sold_minor == minor


def test_an_orders_business_day_is_the_chains() -> None:
    item = track("Order Completed", {"order_id": "1", "total": 1}, timestamp="2026-02-28T17:30:00Z")
    (data,) = said(drafted(item, draft_message))
    assert isinstance(data, ReceiptRecordedV1)
    assert data.business_date.isoformat() == "2026-03-01"


def test_a_refund_refers_to_its_order() -> None:
    draft = drafted(track("Order Refunded", {"order_id": "1", "total": 5}), draft_message)
    assert draft.refers_to == order_key("sale", "1")
    assert draft.key == order_key("refund", "1")


def test_a_public_sources_user_id_is_a_claim_and_no_identifier() -> None:
    draft = drafted(track("X", {}, anonymousId="device-1"), draft_message, WEB)
    assert [one.namespace for one in draft.identifiers] == ["anonymous_id"]
    assert not draft.links
    assert draft.contacts == {}


def test_a_public_source_that_names_no_device_is_a_guest() -> None:
    assert drafted(track("X", {}), draft_message, WEB).subject_kind == "guest"


def test_a_users_id_that_is_a_placeholder_is_left_out() -> None:
    draft = drafted(track("X", {}, userId="null", anonymousId="device-1"), draft_message)
    assert draft.subject_kind == "device"
    assert draft.ignored is not None


def test_times_do_not_count_when_a_message_is_told_again() -> None:
    one = drafted(track("X", {}, timestamp="2026-02-01T10:00:00Z"), draft_message)
    other = drafted(track("X", {}, timestamp="2026-02-01T10:00:05Z", sentAt="2026-02-01T10:00:06Z"), draft_message)
    assert (one.key, one.content) == (other.key, other.content)


def test_a_wrong_clock_is_corrected_in_the_event_but_not_in_its_id() -> None:
    late = {"timestamp": "2026-02-01T10:00:00Z", "sentAt": "2026-02-01T12:00:00Z"}
    draft = drafted(track("X", {}, **late), draft_message)
    assert draft.occurred_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert draft.at_ms == int(datetime(2026, 2, 1, 10, tzinfo=UTC).timestamp() * 1000)


def test_a_message_without_number_is_told_from_others_by_what_it_says() -> None:
    plain = {"messageId": None, "timestamp": "2026-02-01T10:00:00Z"}
    one, again = (drafted(track("X", {}, **plain), draft_message) for _ in range(2))
    other = drafted(track("Y", {}, **plain), draft_message)
    assert one.key == again.key != other.key


def test_contact_data_among_attributes_are_refused_not_spread() -> None:
    for attributes in ({"email": "a@b.cn"}, {"note": "call 13912345678"}):
        one = judged({"identifiers": [CARD], "attributes": attributes}, draft_customer)
        assert isinstance(one, Rejected)
        assert one.fault.code == "personal_data"


def test_a_customers_consents_are_events_of_their_own() -> None:
    consent = {"channel": "email", "purpose": "marketing", "state": "granted"}
    draft = drafted({"identifiers": [CARD], "consents": [consent, {**consent, "channel": "sms"}]}, draft_customer)
    assert [data.event_type for data in said(draft)] == ["AttributesChanged", "ConsentChanged", "ConsentChanged"]


def test_a_consent_is_somebodys() -> None:
    consent = {"channel": "email", "purpose": "marketing", "state": "granted"}
    one = judged({**consent, "identifiers": [{"namespace": "phone", "value": "null"}]}, draft_consent)
    assert isinstance(one, Rejected)
    assert one.fault.code == "missing_identifier"


def test_feedback_is_checked_by_its_own_type_and_names_its_fields() -> None:
    one = judged({"type": "review", "data": {"review_id": "r1", "rating": 9}}, draft_feedback)
    assert isinstance(one, Rejected)
    assert one.fault.field == "/data/rating"


THINGS = {
    "products": {"product_id": "P1", "name": "Cheese", "categories": ["DAIRY"]},
    "prices": {"product_id": "P1", "currency": "CNY", "price_minor": 500},
    "stock": {"product_id": "P1", "store_id": "S1", "quantity": "-2"},
    "stores": {"store_id": "S1", "name": "Store 1", "time_zone": "Asia/Shanghai"},
    "staff": {"store_id": "S1", "staff_id": "E1"},
}


@pytest.mark.parametrize("kind", list(CATALOGUE))
def test_every_kind_of_thing_is_read(kind: str) -> None:
    draft = drafted(THINGS[kind], drafting_of(kind))
    (data,) = said(draft)
    assert data.event_type == CATALOGUE[kind][0].event_type
    assert draft.subject_kind == "none"


def test_a_thing_told_twice_without_number_or_time_is_news_twice() -> None:
    drafting = drafting_of("stock")
    later = Context(SERVER, NOW.replace(minute=1), SECRETS, "CN", "CNY", "Asia/Shanghai")
    (first,) = draft_each([THINGS["stock"]], "stock", context(), drafting, own_message_id)
    (second,) = draft_each([THINGS["stock"]], "stock", later, drafting, own_message_id)
    assert isinstance(first, Draft)
    assert isinstance(second, Draft)
    assert first.key != second.key


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
MESSAGE_FIELDS = (
    *("messageId", "userId", "anonymousId", "event", "name", "properties", "traits", "context"),
    *("timestamp", "originalTimestamp", "sentAt", "previousId", "groupId"),
)
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "identify", "page", "screen", "group", "alias"]) | JSON},
    optional=dict.fromkeys(MESSAGE_FIELDS, JSON),
)


@given(MESSAGES | JSON)
def test_whatever_a_client_sends_is_drafted_or_rejected(item: Any) -> None:
    one = judged(item, draft_message)
    if isinstance(one, Draft):
        assert said(one)
    else:
        assert one.fault.code


ORDER_FIELDS = ("total", "products", "currency", "discount", "coupon", "price", "store_id")
ORDERS = st.fixed_dictionaries({"order_id": JSON}, optional=dict.fromkeys(ORDER_FIELDS, JSON))


@given(ORDERS, st.sampled_from(["Order Completed", "Product Viewed", "Checkout Started", "Products Searched"]))
def test_whatever_properties_an_event_has_it_is_drafted_or_rejected(properties: dict[str, Any], event: str) -> None:
    one = judged(track(event, properties), draft_message)
    assert isinstance(one, Rejected) or said(one)


@given(JSON | st.dictionaries(st.sampled_from(list(receipt())), JSON))
def test_whatever_a_till_sends_is_drafted_or_rejected(item: Any) -> None:
    merged = {**receipt(), **item} if isinstance(item, dict) else item
    one = judged(merged, draft_receipt)
    assert isinstance(one, Draft | Rejected)
    if isinstance(one, Rejected):
        assert one.original
        assert orjson.dumps(one.fault.message)


def test_the_digest_of_a_receipt_never_changes_with_fields_that_it_does_not_say() -> None:
    """Uploaded again after an upgrade it is a repeat, not a conflict."""
    late = replace(context(), received_at=datetime(2026, 11, 22, 12, tzinfo=UTC))
    draft = draft_receipt(Item(0, RECEIPT_EXAMPLE, orjson.dumps(RECEIPT_EXAMPLE), late))
    assert draft.content.hex() == "918787195f74d0be266af8198e173736"
