"""POSLog: the tills' XML as receipts; what an XML parser can be talked into, it is not."""

import io
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.ingest.domain.cells import CellRules
from services.ingest.mapping.files import poslog
from services.ingest.mapping.files.items import Entry
from services.ingest.mapping.files.rows import UnreadableFile

SAMPLE = (Path(__file__).parent / "samples" / "poslog-2.2.xml").read_bytes()
RULES = CellRules("CNY", ZoneInfo("Asia/Shanghai"))


def entries_of(body: bytes | str) -> list[Entry]:
    return list(poslog.entries(io.BytesIO(body.encode() if isinstance(body, str) else body), RULES))


@pytest.fixture(scope="module")
def sample() -> dict[int, Entry]:
    """The sample's entries, by their transaction's sequence number: its place in the file."""
    return {entry.lines[0]: entry for entry in entries_of(SAMPLE)}


def item(sample: dict[int, Entry], number: int) -> dict[str, Any]:
    found = sample[number].item
    assert found is not None, sample[number].fault
    return found


def one_transaction(inside: str, before: str = "", version: str = "") -> str:
    return (
        f'{before}<POSLog xmlns="http://www.nrf-arts.org/IXRetail/namespace/"><Transaction>'
        f"{version or '<RetailStoreID>S01</RetailStoreID>'}<WorkstationID>T3</WorkstationID>"
        "<SequenceNumber>1</SequenceNumber><BusinessDayDate>2026-03-01</BusinessDayDate>"
        f"<EndDateTime>2026-03-01T09:00:00</EndDateTime><RetailTransaction>{inside}</RetailTransaction>"
        "</Transaction></POSLog>"
    )


SALE = "<LineItem><Sale><ItemID>P1</ItemID><ExtendedAmount>5.00</ExtendedAmount></Sale></LineItem>"


def test_a_sale_has_its_lines_discounts_tenders_and_people(sample: dict[int, Entry]) -> None:
    sale = item(sample, 2)
    assert (sale["store_id"], sale["terminal_id"], sale["business_date"], sale["sequence_number"]) == (
        "S01",
        "T3",
        "2026-03-01",
        2,
    )
    assert (sale["kind"], sale["occurred_at"], sale["currency"]) == ("sale", "2026-03-01T09:12:44+08:00", "CNY")
    assert sale["lines"] == [
        {
            "line_number": 1,
            "product_id": "0042",
            "quantity": "2",
            "unit_price_minor": 500,
            "amount_minor": 900,
            "returned": False,
            "discounts": [{"kind": "promotion", "code": "SPRING", "amount_minor": 100}],
        },
        {
            "line_number": 3,
            "product_id": "2000123",
            "quantity": "1.255",
            "unit_price_minor": 800,
            "amount_minor": 1004,
            "returned": False,
            "discounts": [],
            "unit": "kg",
        },
    ]
    assert sale["discounts"] == [{"kind": "coupon", "code": "WELCOME", "amount_minor": 50}]
    assert sale["tenders"] == [{"kind": "cash", "amount_minor": 854}, {"kind": "card", "amount_minor": 1000}]
    assert sale["identifiers"] == [
        {"namespace": "loyalty_card", "value": "6001234567"},
        {"namespace": "external:pos", "value": "C-900"},
        {"namespace": "email", "value": "chen@example.com"},
    ]
    assert sale["staff_id"] == "77"
    assert not sale["training"]


def test_a_card_number_is_not_even_read(sample: dict[int, Entry]) -> None:
    assert all(b"4111" not in entry.original for entry in sample.values())


def test_a_linked_return_names_its_original_and_its_lines(sample: dict[int, Entry]) -> None:
    back = item(sample, 3)
    assert back["kind"] == "return"
    assert [(line["amount_minor"], line["quantity"], line["returned"]) for line in back["lines"]] == [
        (450, "1", False)
    ]
    assert back["returns_of"] == {
        "store_id": "S01",
        "terminal_id": "T3",
        "business_date": "2026-03-01",
        "sequence_number": 2,
        "lines": [{"line_number": 1, "quantity": "1"}],
    }
    assert back["tenders"] == [{"kind": "cash", "amount_minor": 450}]


def test_a_return_and_a_sale_in_one_transaction_are_an_exchange(sample: dict[int, Entry]) -> None:
    exchange = item(sample, 4)
    assert exchange["kind"] == "exchange"
    assert [line["returned"] for line in exchange["lines"]] == [True, False]
    assert exchange["returns_of"] is None


def test_training_suspended_and_cancelled_transactions_never_count(sample: dict[int, Entry]) -> None:
    assert item(sample, 5)["training"] is True
    suspended = item(sample, 6)
    assert (suspended["status"], suspended["training"]) == ("suspended", False)
    assert 7 not in sample, "nothing was rung up"


def test_a_post_void_takes_the_linked_transaction_back(sample: dict[int, Entry]) -> None:
    void = item(sample, 8)
    assert void["kind"] == "void"
    assert void["returns_of"]["sequence_number"] == 2
    assert "lines" not in void


def test_what_is_no_retail_transaction_is_left_out(sample: dict[int, Entry]) -> None:
    assert 1 not in sample


def test_a_wrong_transaction_is_refused_alone_and_names_its_element(sample: dict[int, Entry]) -> None:
    fault = sample[9].fault
    assert fault is not None
    assert (fault.code, fault.field) == ("missing_field", "/LineItem/1/ItemID")
    assert b"SequenceNumber>9<" in sample[9].original


def test_version_6_names_its_store_by_business_unit() -> None:
    body = one_transaction(SALE, version="<BusinessUnit><UnitID TypeCode='RetailStore'>S09</UnitID></BusinessUnit>")
    (entry,) = entries_of(body)
    assert entry.item is not None
    assert entry.item["store_id"] == "S09"


def test_a_transaction_voided_later_without_its_link_is_refused_with_the_cure() -> None:
    body = one_transaction(SALE).replace("<RetailTransaction>", '<RetailTransaction TransactionStatus="PostVoided">')
    (entry,) = entries_of(body)
    assert entry.fault is not None
    assert "TransactionLink" in entry.fault.message


def test_entities_that_multiply_are_refused() -> None:
    laughs = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
    with pytest.raises(UnreadableFile) as refused:
        entries_of(one_transaction(SALE.replace("P1", "&c;"), laughs))
    assert refused.value.code == "unsafe_xml"


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE POSLog [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE POSLog SYSTEM "http://127.0.0.1:1/poslog.dtd">',
        '<!DOCTYPE POSLog [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x"> %p;]>',
    ],
)
def test_what_would_read_another_file_or_address_is_refused(doctype: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        entries_of(one_transaction(SALE.replace("P1", "&x;") if "x SYSTEM" in doctype else SALE, doctype))
    assert refused.value.code == "unsafe_xml"


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "malformed_xml"), (b"{}", "malformed_xml"), (SAMPLE[:-30], "malformed_xml"), (b"<POSLog/>", "empty_file")],
)
def test_what_is_no_poslog_is_said_to_be_none(body: bytes, code: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        entries_of(body)
    assert refused.value.code == code


def test_a_transaction_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poslog, "ELEMENTS_MAX", 50)
    with pytest.raises(UnreadableFile, match="more than 50"):
        entries_of(one_transaction(SALE * 40))


def test_a_doctype_like_text_in_another_encoding_is_read_as_text() -> None:
    body = one_transaction(SALE, '<?xml version="1.0" encoding="utf-16"?>').encode("utf-16")
    (entry,) = entries_of(body)
    assert entry.item is not None
