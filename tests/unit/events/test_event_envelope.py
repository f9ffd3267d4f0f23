"""The envelope: what it accepts, its bytes, and how wrong bytes are refused."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.events import Envelope, EventData, InvalidEvent, Source, decode, encode
from shared.events.behaviour import CustomV1, ProductViewedV1, ProductViewedV2
from shared.events.catalogue import EXAMPLES
from shared.events.customers import ConsentChangedV1
from shared.events.products import StockChangedV1
from shared.events.receipts import Discount, ReceiptLine, ReceiptRecordedV1

AT = datetime(2026, 11, 22, 1, 12, 44, tzinfo=UTC)
SUBJECT = UUID("cdcada15-1d3a-52ed-a5d0-c8a370cea587")
SALE = (EXAMPLES / "ReceiptRecorded/v1/sale.json").read_bytes()


def wrap(data: EventData, **changes: Any) -> Envelope[EventData]:
    fields: dict[str, Any] = {
        "event_id": UUID("01a2008d-7400-8a44-bafd-bfbf88cf3f36"),
        "occurred_at": AT,
        "received_at": AT + timedelta(seconds=1),
        "subject_id": SUBJECT,
        "subject_kind": "identified",
        "source": Source(id="shop", kind="server"),
    }
    return Envelope.of(data, **(fields | changes))


def consent() -> ConsentChangedV1:
    return ConsentChangedV1(channel="sms", purpose="marketing", state="granted")


def sale_with(**changes: Any) -> bytes:
    return json.dumps(json.loads(SALE) | changes).encode()


def sale_with_data(**changes: Any) -> bytes:
    sale = json.loads(SALE)
    sale["data"] |= changes
    return json.dumps(sale).encode()


def refusal_of(raw: bytes) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        decode(raw)
    return caught.value


def test_what_is_encoded_decodes_to_the_same_envelope() -> None:
    envelope = wrap(consent(), store_id="S01")
    assert decode(encode(envelope)) == envelope


def test_type_and_version_come_from_the_class_of_the_data() -> None:
    envelope = wrap(ProductViewedV2(product_id="P1", channel="web"))
    assert (envelope.type, envelope.version) == ("ProductViewed", 2)


def test_an_envelope_whose_type_is_not_its_datas_is_refused() -> None:
    with pytest.raises(ValidationError, match="do not name the class"):
        Envelope(**(dict(wrap(consent())) | {"type": "ReceiptRecorded"}))


def test_times_are_kept_in_utc() -> None:
    shanghai = timezone(timedelta(hours=8))
    envelope = wrap(consent(), occurred_at=datetime(2026, 11, 22, 9, 12, 44, tzinfo=shanghai))
    assert envelope.occurred_at == AT
    assert envelope.occurred_at.utcoffset() == timedelta()


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        wrap(consent(), occurred_at=AT.replace(tzinfo=None))


def test_an_envelope_cannot_be_changed() -> None:
    envelope = wrap(consent())
    with pytest.raises(ValidationError, match="frozen"):
        envelope.store_id = "S02"  # type: ignore[misc]


def test_the_key_is_the_subject_and_for_stock_the_product() -> None:
    stock = StockChangedV1(product_id="P319", store_id="S01", quantity="-1")
    assert wrap(consent()).key == str(SUBJECT)
    assert wrap(stock, subject_kind="none").key == "P319"


@pytest.mark.parametrize("model", [ReceiptRecordedV1, ReceiptLine, Discount, Source, ConsentChangedV1])
def test_producers_are_strict_about_unknown_fields(model: type) -> None:
    with pytest.raises(ValidationError) as caught:
        model(colour="red")
    assert any(each["type"] == "extra_forbidden" for each in caught.value.errors())


def test_readers_ignore_unknown_fields_at_every_depth() -> None:
    sale = json.loads(SALE)
    sale["lane"] = 7
    sale["source"]["owner"] = "it"
    sale["data"]["weather"] = {"sky": "blue"}
    sale["data"]["lines"][0]["shelf"] = "A4"
    sale["data"]["lines"][0]["discounts"][0]["sponsor"] = "brand"
    assert decode(json.dumps(sale).encode()) == decode(SALE)


def test_field_order_and_white_space_do_not_matter() -> None:
    sale = json.loads(SALE)
    backwards = dict(reversed(list(sale.items())))
    assert decode(json.dumps(backwards, indent=4).encode()) == decode(SALE)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'"text"', SALE[:-40]])
def test_broken_bytes_are_not_json(raw: bytes) -> None:
    assert refusal_of(raw).code == "not_json"


def test_bytes_cut_off_after_a_good_head_are_not_json() -> None:
    assert refusal_of(encode(decode(SALE))[:-40]).code == "not_json"


@pytest.mark.parametrize("name", ["ReceiptLost", None, 7])
def test_an_unknown_type_is_named_as_such(name: object) -> None:
    error = refusal_of(sale_with(type=name))
    assert (error.code, error.field) == ("unknown_type", "type")


@pytest.mark.parametrize("version", [0, 9, "1", None, True])
def test_an_unknown_version_is_named_as_such(version: object) -> None:
    error = refusal_of(sale_with(version=version))
    assert (error.code, error.field) == ("unknown_version", "version")


def test_an_unknown_version_says_which_there_are() -> None:
    view = json.loads((EXAMPLES / "ProductViewed/v2/from-search.json").read_bytes()) | {"version": 3}
    assert "only 1, 2" in refusal_of(json.dumps(view).encode()).reason


def test_wrong_data_is_refused_with_the_path_of_the_field() -> None:
    sale = json.loads(SALE)
    sale["data"]["lines"][1]["quantity"] = "a few"
    error = refusal_of(json.dumps(sale).encode())
    assert (error.code, error.field) == ("invalid_data", "data.lines.1.quantity")


def test_a_refusal_never_quotes_the_value() -> None:
    error = refusal_of(sale_with_data(currency="13912345678"))
    assert "13912345678" not in str(error)
    assert error.field == "data.currency"
    assert error.__suppress_context__, "a traceback would quote it"


def test_a_type_repeated_later_in_the_bytes_does_not_pass_as_another() -> None:
    raw = encode(wrap(consent()))
    forged = raw[:-1] + b',"type":"ReceiptRecorded"}'
    assert refusal_of(forged).code == "invalid_data"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_minor", -1),
        ("amount_minor", 9.5),
        ("amount_minor", "900"),
        ("amount_minor", 10**16),
        ("quantity", 2),
        ("quantity", "-1"),
        ("quantity", "1e3"),
        ("quantity", "NaN"),
        ("product_id", ""),
        ("product_id", "P" * 129),
        ("product_id", "P\x00"),
        ("line_number", 0),
        ("returned", "yes"),
    ],
)
def test_a_line_out_of_its_limits_is_refused(field: str, value: object) -> None:
    line = {"line_number": 1, "product_id": "P1", "quantity": "1", "unit_price_minor": 5, "amount_minor": 5}
    with pytest.raises(ValidationError) as caught:
        ReceiptLine.model_validate(line | {field: value})
    assert [each["loc"] for each in caught.value.errors()] == [(field,)]


def test_a_receipt_has_at_most_2000_lines() -> None:
    line = json.loads(SALE)["data"]["lines"][0]
    assert len(decode(sale_with_data(lines=[line] * 2000)).data.lines) == 2000  # type: ignore[attr-defined]
    assert refusal_of(sale_with_data(lines=[line] * 2001)).field == "data.lines"


def test_a_receipt_needs_a_tills_key_or_an_order() -> None:
    assert "terminal_id" in refusal_of(sale_with_data(terminal_id=None)).reason
    decode(sale_with_data(terminal_id=None, order_id="W-1"))


def test_reading_an_old_view_gives_the_new_version() -> None:
    raw = (EXAMPLES / "ProductViewed/v1/from-list.json").read_bytes()
    envelope = decode(raw)
    assert isinstance(envelope.data, ProductViewedV2)
    assert (envelope.version, envelope.data.list_id, envelope.data.channel) == (2, "winter", "unknown")
    assert decode(encode(envelope)) == envelope


def test_an_old_view_can_be_read_as_it_was_written() -> None:
    envelope = decode((EXAMPLES / "ProductViewed/v1/from-list.json").read_bytes(), upcast=False)
    assert isinstance(envelope.data, ProductViewedV1)
    assert envelope.version == 1


def test_the_newest_version_is_not_upcast() -> None:
    data = consent()
    assert data.upcast() is data


def test_a_class_must_be_named_by_type_and_version() -> None:
    with pytest.raises(TypeError, match="named"):
        type("Nameless", (EventData,), {})


def test_sold_and_returned_amounts_follow_the_kind() -> None:
    amounts = {}
    for kind in ("sale", "return", "exchange"):
        receipt = decode((EXAMPLES / f"ReceiptRecorded/v1/{kind}.json").read_bytes()).data
        assert isinstance(receipt, ReceiptRecordedV1)
        amounts[kind] = (receipt.sold_minor, receipt.returned_minor)
    assert amounts == {"sale": (4124, 0), "return": (0, 450), "exchange": (1590, 1290)}


def test_custom_properties_have_a_depth_limit_and_no_nul() -> None:
    deep: Any = "end"
    for _ in range(8):
        deep = {"inner": deep}
    with pytest.raises(ValidationError, match="nested deeper"):
        CustomV1(name="Deep", properties=deep)
    with pytest.raises(ValidationError, match=r"U\+0000"):
        CustomV1(name="Nul", properties={"a": ["b", "\x00"]})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text('ab é漢😀"\\\n', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(properties=st.dictionaries(st.text("abcdef", min_size=1), _JSON, max_size=4))
def test_any_custom_properties_survive_the_round_trip(properties: dict[str, Any]) -> None:
    try:
        envelope = wrap(CustomV1(name="Anything", properties=properties))
    except ValidationError as error:
        assert "nested deeper" in str(error)  # noqa: PT017 - only some drawn values are too deep
        return
    assert decode(encode(envelope)) == envelope


@given(raw=st.binary(max_size=200) | st.builds(lambda cut: SALE[:cut], st.integers(0, len(SALE) - 3)))
def test_no_bytes_raise_anything_but_invalid_event(raw: bytes) -> None:
    assert refusal_of(raw).code in {"not_json", "unknown_type", "unknown_version", "invalid_data"}
