"""Files as items: columns found by name, rows read piece by piece, lines gathered into receipts."""

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import polars as pl
import pytest

from services.ingest.domain.texts import Utf8Check, delimiter_of, encoding_of
from services.ingest.mapping.files import baskets as baskets_module
from services.ingest.mapping.files.baskets import till_of
from services.ingest.mapping.files.columns import KINDS, plan_for
from services.ingest.mapping.files.items import Entry
from services.ingest.mapping.files.reading import FileReader, settled
from services.ingest.mapping.files.rows import UnreadableFile
from services.ingest.schemas.imports import ReadingIn

LINES = "customer_id,basket_id,timestamp,product_id,quantity,amount,discount,store_id\n"


def reader_of(body: bytes, kind: str, name: str = "file.csv", **reading: Any) -> FileReader:
    def open_file() -> BinaryIO:
        return io.BytesIO(body)

    check = Utf8Check()
    check.feed(body, final=True)
    how = settled(ReadingIn.model_validate(reading), KINDS[kind], name, body[:1_000_000], is_utf8=check.holds)
    return FileReader.of(open_file, kind, how, "CNY", "Asia/Shanghai")


def entries_of(body: bytes | str, kind: str, name: str = "file.csv", **reading: Any) -> list[Entry]:
    encoded = body.encode() if isinstance(body, str) else body
    reader = reader_of(encoded, kind, name, **reading)
    return list(reader.entries(reader.count_rows()))


def items_of(body: bytes | str, kind: str, name: str = "file.csv", **reading: Any) -> list[dict[str, Any]]:
    found = entries_of(body, kind, name, **reading)
    assert all(entry.item is not None for entry in found), [entry.fault for entry in found]
    return [entry.item for entry in found if entry.item is not None]


def parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("品名".encode("utf-8-sig"), "utf-8-sig"),
        ("品名".encode(), "utf-8"),
        ("品名".encode("gb18030"), "gb18030"),
        ("品名".encode("utf-16"), "utf-16"),
    ],
)
def test_encodings_are_told_by_their_mark_or_by_the_whole_file(body: bytes, encoding: str) -> None:
    check = Utf8Check()
    for at in range(len(body)):
        check.feed(body[at : at + 1])
    check.feed(b"", final=True)
    found = encoding_of(body, is_utf8=check.holds)
    assert found == encoding
    header = body + ",sku\n1,2\n".encode(encoding.removesuffix("-sig"))[2 if encoding == "utf-16" else 0 :]
    (row,) = reader_of(header, "products").table().rows
    assert row.cells == {"品名": "1", "sku": "2"}


@pytest.mark.parametrize(
    ("header", "sign"),
    [("a,b;c,d", ","), ("a;b;c", ";"), ("a\tb", "\t"), ("a|b|c", "|"), ("alone", ","), ('"a;b",c', ",")],
)
def test_the_delimiter_is_the_one_that_the_header_has(header: str, sign: str) -> None:
    assert delimiter_of(header) == sign


def test_columns_are_known_by_the_names_they_have_in_the_field() -> None:
    plan = plan_for(
        KINDS["customers"], ["Card No", "Mobile Phone", "E-Mail", "attributes.level", "consent.sms.marketing"], {}
    )
    targets = [target.name for _, target in plan.columns if target is not None]
    assert targets == ["loyalty_card", "phone", "email", "attributes.level", "consent.sms.marketing"]
    assert plan.missing == ()


def test_a_senders_own_mapping_goes_before_names() -> None:
    plan = plan_for(KINDS["products"], ["sku", "ean", "title"], {"product_id": "ean"})
    assert [(column, target and target.name) for column, target in plan.columns] == [
        ("sku", None),
        ("ean", "product_id"),
        ("title", "name"),
    ]


def test_a_file_of_people_needs_one_identifier() -> None:
    assert plan_for(KINDS["customers"], ["name"], {}).missing
    assert not plan_for(KINDS["customers"], ["name", "external:crm"], {}).missing
    assert not plan_for(KINDS["customers"], ["identifiers"], {}).missing


def test_third_party_attributes_take_every_other_column_under_the_providers_name() -> None:
    (item,) = items_of("phone,Income Band,urban\n13912345678,B,yes\n", "attributes", provider="experian")
    assert item["attributes"] == {"experian.income_band": "B", "experian.urban": "yes"}
    assert item["identifiers"] == [{"namespace": "phone", "value": "13912345678"}]


def test_permissions_and_contact_data_of_customers() -> None:
    (item,) = items_of(
        "email,name,consent.email.marketing,consent.sms.marketing\na@example.com,Chen Li,yes,no\n", "customers"
    )
    assert item["contact"] == {"name": "Chen Li"}
    assert [(one["channel"], one["state"]) for one in item["consents"]] == [
        ("email", "granted"),
        ("sms", "withdrawn"),
    ]


def test_stores_stock_and_staff_have_their_defaults() -> None:
    assert items_of("store,name\n007,Bund\n", "stores") == [
        {"store_id": "007", "name": "Bund", "time_zone": "Asia/Shanghai"}
    ]
    assert items_of("sku,store,on_hand\nP1,007,-3.50\n", "stock") == [
        {"product_id": "P1", "store_id": "007", "quantity": "-3.5"}
    ]
    assert items_of("employee no,store,name,active\n9,007,Wang,no\n", "staff") == [
        {"staff_id": "9", "store_id": "007", "display_name": "Wang", "is_active": False}
    ]


def test_levels_of_a_category_stand_in_one_column_or_in_several() -> None:
    one = items_of("sku,name,category\nP1,x,A > B > C\n", "products")
    several = items_of("sku,name,department,category_2,category_3\nP1,x,A,B,C\n", "products")
    assert one[0]["categories"] == several[0]["categories"] == ["A", "B", "C"]


def test_ndjson_rows_may_nest_and_later_rows_may_bring_new_names() -> None:
    body = '{"sku": "P1", "name": "x", "attributes": {"fat": 45}}\n\n' + '{"sku": 2, "name": "y", "brand": "B"}\n'
    assert items_of(body, "products", "p.ndjson") == [
        {"product_id": "P1", "name": "x", "attributes": {"fat": 45}},
        {"product_id": "2", "name": "y", "brand": "B"},
    ]


def test_a_name_that_comes_after_the_head_of_an_ndjson_file_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.mapping.files.rows.HEAD_ROWS", 1)
    body = '{"sku": "P1", "name": "x"}\n{"sku": "P2", "name": "y", "brand": "B"}\n'
    assert items_of(body, "products", "p.ndjson")[1] == {"product_id": "P2", "name": "y", "brand": "B"}


def test_broken_lines_of_ndjson_are_refused_alone() -> None:
    found = entries_of('{"sku": "P1", "name": "x"}\n[1]\n{broken\n', "products", "p.ndjson")
    assert [entry.fault and entry.fault.code for entry in found] == [None, "invalid_item", "malformed_json"]
    assert [entry.lines for entry in found] == [(1,), (2,), (3,)]


def test_whole_receipts_pass_as_they_are() -> None:
    body = '{"store_id": "S01", "lines": []}\n'
    assert items_of(body, "receipts", "r.ndjson") == [{"store_id": "S01", "lines": []}]
    with pytest.raises(UnreadableFile, match="receipt_lines"):
        reader_of(b"a,b\n", "receipts", "r.csv")


def test_parquet_keeps_its_types() -> None:
    frame = pl.DataFrame(
        {
            "sku": [10.0, 20.0],
            "price": [Decimal("1.25"), Decimal("2.50")],
            "valid_from": [datetime(2026, 3, 1, 8, tzinfo=UTC)] * 2,
            "valid_until": [datetime(2026, 3, 2, 8), None],  # noqa: DTZ001 (a file without zones)
        }
    )
    first, second = items_of(parquet(frame), "prices", "p.parquet")
    assert first == {
        "product_id": "10",
        "price_minor": 125,
        "valid_from_at": "2026-03-01T08:00:00+00:00",
        "valid_until_at": "2026-03-02T08:00:00+08:00",
        "currency": "CNY",
    }
    assert "valid_until_at" not in second


def test_a_damaged_parquet_file_is_unreadable_and_no_crash() -> None:
    whole = parquet(pl.DataFrame({"sku": ["P1"] * 5000, "name": [str(number) for number in range(5000)]}))
    for damaged in (whole[:-10], whole[:200] + bytes(300) + whole[500:], b"PAR1" + bytes(50) + b"PAR1"):
        with pytest.raises(UnreadableFile, match=r"Parquet|damaged"):
            entries_of(damaged, "products", "p.parquet")


def test_a_row_with_too_many_columns_is_refused_with_its_line() -> None:
    found = entries_of('sku,name\nP1,"two\nlines"\nP2,x,y\nP3,z\n', "products")
    assert [(entry.lines, entry.fault and entry.fault.code) for entry in found] == [
        ((3,), None),
        ((4,), "column_count"),
        ((5,), None),
    ]


def test_bytes_that_the_encoding_lacks_refuse_their_row_alone() -> None:
    found = entries_of(b"sku,name\nP1,caf\xe9\nP2,tea\n", "products", encoding="utf-8")
    assert [entry.fault and entry.fault.code for entry in found] == ["encoding", None]
    assert items_of(b"sku,name\nP1,caf\xe9\n", "products", encoding="windows-1252")[0]["name"] == "café"


def test_a_line_without_end_is_no_text_file() -> None:
    with pytest.raises(UnreadableFile, match="longer than"):
        entries_of(b"sku,name\n" + b"x" * 1_100_000, "products")


def test_lines_of_a_basket_become_one_receipt_wherever_they_stand() -> None:
    body = (
        LINES
        + "c1,b1,2026-03-01 09:30:00,P1,2,9.00,1.00,S01\nc2,b2,2026-03-01 10:00:00,P9,1,3,,S01\n"
        + "c1,b1,2026-03-01 09:30:00,P2,0.5,4.00,,S01\n"
    )
    first, second = items_of(body, "receipt_lines")
    terminal_id, sequence_number = till_of("b1")
    assert first == {
        "store_id": "S01",
        "terminal_id": terminal_id,
        "business_date": "2026-03-01",
        "sequence_number": sequence_number,
        "kind": "sale",
        "occurred_at": "2026-03-01T09:30:00+08:00",
        "currency": "CNY",
        "identifiers": [{"namespace": "loyalty_card", "value": "c1"}],
        "lines": [
            {
                "line_number": 1,
                "product_id": "P1",
                "quantity": "2",
                "unit_price_minor": 500,
                "amount_minor": 900,
                "discounts": [{"kind": "discount", "amount_minor": 100}],
            },
            {
                "line_number": 2,
                "product_id": "P2",
                "quantity": "0.5",
                "unit_price_minor": 800,
                "amount_minor": 400,
                "discounts": [],
            },
        ],
    }
    assert second["lines"][0]["product_id"] == "P9"


def test_the_business_day_is_the_one_of_the_files_zone() -> None:
    body = "customer_id,basket_id,timestamp,product_id\nc1,b1,2026-03-01T20:00:00Z,P1\n"
    (receipt,) = items_of(body, "receipt_lines")
    assert receipt["business_date"] == "2026-03-02"
    assert receipt["store_id"] == "web"


def test_a_basket_with_a_wrong_line_is_refused_whole_and_the_line_named() -> None:
    body = LINES + "c1,b1,2026-03-01,P1,1,5,,S01\nc1,b1,2026-03-01,P2,oops,5,,S01\nc2,b2,2026-03-01,P2,1,5,,S01\n"
    wrong, good = entries_of(body, "receipt_lines")
    assert good.item is not None
    assert (wrong.lines, wrong.place) == ((2, 3), 1)
    assert wrong.fault is not None
    assert wrong.fault.field == "/lines/1"
    assert wrong.column_of(wrong.fault.field) == "quantity"


@pytest.mark.parametrize("column", ["customer_id", "basket_id", "timestamp", "product_id"])
def test_a_line_without_a_needed_value_is_refused_and_its_column_named(column: str) -> None:
    names = ["customer_id", "basket_id", "timestamp", "product_id"]
    row = dict(zip(names, ["c1", "b1", "2026-03-01", "P1"], strict=True)) | {column: ""}
    (entry,) = entries_of(",".join(names) + "\n" + ",".join(row[name] for name in names) + "\n", "receipt_lines")
    assert entry.fault is not None
    assert entry.fault.code == "missing_field"
    assert entry.column_of(entry.fault.field) == column


def test_a_basket_of_two_customers_is_refused() -> None:
    (entry,) = entries_of(LINES + "c1,b1,2026-03-01,P1,1,5,,S01\nc2,b1,2026-03-01,P2,1,5,,S01\n", "receipt_lines")
    assert entry.fault is not None
    assert (entry.fault.code, entry.place) == ("basket_mixed", 1)


def test_what_does_not_fit_at_once_is_gathered_in_shares_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        f"c{number % 7},b{number % 50},2026-03-01 09:{number % 50:02}:00,P{number},1,5,,S01" for number in range(350)
    ]
    body = LINES + "\n".join(lines) + "\n"
    together = {tuple(sorted(entry.lines)): entry.item for entry in entries_of(body, "receipt_lines")}
    monkeypatch.setattr(baskets_module, "ROWS_AT_ONCE", 40)
    found = entries_of(body, "receipt_lines")
    assert {tuple(sorted(entry.lines)): entry.item for entry in found} == together
    assert found == entries_of(body, "receipt_lines")
    assert len(together) == 50


def test_lines_after_the_last_day_asked_for_are_left_out() -> None:
    body = LINES + "c1,b1,2026-03-01,P1,1,5,,S01\nc1,b2,2026-03-02,P1,1,5,,S01\n"
    found = items_of(body, "receipt_lines", until=date(2026, 3, 1))
    assert [receipt["business_date"] for receipt in found] == ["2026-03-01"]
