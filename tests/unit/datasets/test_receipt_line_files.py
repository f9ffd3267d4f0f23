from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from regulars.datasets.lines import LineFile, LineFileError, RefusedLine, read_lines

HEADER = "customer_id,basket_id,timestamp,product_id,quantity,amount,discount,store_id,currency"
GOOD = "c1,b1,2026-01-05T10:00:00Z,p1,2,3.50,0.25,S1,USD"


def _csv(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "lines.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def _refusal(file: LineFile) -> RefusedLine:
    (refused,) = file.refused
    return refused


def test_a_csv_line_becomes_a_receipt_line(tmp_path: Path) -> None:
    file = read_lines(_csv(tmp_path, GOOD))
    assert file.refused == ()
    assert file.lines.to_dicts() == [
        {
            "customer_id": "c1",
            "basket_id": "b1",
            "product_id": "p1",
            "store_id": "S1",
            "currency": "USD",
            "at": datetime(2026, 1, 5, 10, tzinfo=UTC),
            "day": 0,
            "line_number": 2,
            "quantity": 2.0,
            "amount_minor": 350,
            "discount_minor": 25,
        }
    ]


def test_optional_columns_have_defaults(tmp_path: Path) -> None:
    path = _csv(tmp_path, "c1,b1,2026-01-05,p1", header="customer_id,basket_id,timestamp,product_id")
    line = read_lines(path, currency="CNY").lines.to_dicts()[0]
    assert (line["quantity"], line["amount_minor"], line["store_id"], line["currency"]) == (1.0, 0, "", "CNY")


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("1.005", "USD", 101),
        ("0.1", "USD", 10),
        ("12", "USD", 1200),
        ("1.004999", "USD", 100),
        ("150", "JPY", 150),
        ("150.5", "JPY", 151),
        ("1.2345", "KWD", 1235),
        ("1.5", "usd", 150),
    ],
)
def test_amounts_are_exact_and_rounded_half_up(tmp_path: Path, amount: str, currency: str, minor: int) -> None:
    file = read_lines(_csv(tmp_path, f"c1,b1,2026-01-05,p1,1,{amount},,S1,{currency}"))
    assert file.lines["amount_minor"].to_list() == [minor]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-05T10:00:00Z", datetime(2026, 1, 5, 10, tzinfo=UTC)),
        ("2026-01-05 10:00:00+08:00", datetime(2026, 1, 5, 2, tzinfo=UTC)),
        ("2026-01-05T10:00-0500", datetime(2026, 1, 5, 15, tzinfo=UTC)),
        ("2026-01-05T10:00:00.250", datetime(2026, 1, 5, 15, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-07-05 10:00", datetime(2026, 7, 5, 14, tzinfo=UTC)),
        ("2026-01-05", datetime(2026, 1, 5, 5, tzinfo=UTC)),
    ],
)
def test_times_are_read_with_their_offset_or_in_the_given_zone(tmp_path: Path, text: str, at: datetime) -> None:
    file = read_lines(_csv(tmp_path, f"c1,b1,{text},p1,,,,,"), time_zone="America/New_York")
    assert file.lines["at"].to_list() == [at]


def test_days_are_local_and_count_from_the_first(tmp_path: Path) -> None:
    path = _csv(tmp_path, "c1,b1,2026-01-05T03:00:00Z,p1,,,,,", "c1,b2,2026-01-05T06:00:00Z,p1,,,,,")
    assert read_lines(path, time_zone="America/New_York").lines["day"].to_list() == [0, 1]
    assert read_lines(path, time_zone="UTC").lines["day"].to_list() == [0, 0]


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        (",b1,2026-01-05,p1,,,,,", "customer_id", "customer_id is missing"),
        ("c1,b1,2026-01-05, ,,,,,", "product_id", "product_id is missing"),
        ("c1,b1,05/01/2026,p1,,,,,", "timestamp", "'05/01/2026' is not a date and time (ISO 8601)"),
        ("c1,b1,2026-02-30,p1,,,,,", "timestamp", "'2026-02-30' is not a date and time (ISO 8601)"),
        ("c1,b1,2026-01-05,p1,two,,,,", "quantity", "'two' is not a number"),
        ("c1,b1,2026-01-05,p1,-2,,,,", "quantity", "'-2' is negative"),
        ("c1,b1,2026-01-05,p1,1,abc,,,", "amount", "'abc' is not an amount like 12.34"),
        ("c1,b1,2026-01-05,p1,1,-3,,,", "amount", "'-3' is negative; returns do not belong in this file"),
        ("c1,b1,2026-01-05,p1,1,1,1e3,,", "discount", "'1e3' is not an amount like 12.34"),
        ("c1,b1,2026-01-05,p1,1,1,,,dollars", "currency", "'DOLLARS' is not a currency code like USD"),
        ("c1,b1", "", "has 2 columns, the header has 9"),
    ],
)
def test_a_bad_line_is_refused_by_number_field_and_reason(tmp_path: Path, row: str, field: str, reason: str) -> None:
    file = read_lines(_csv(tmp_path, GOOD.replace("b1", "b0"), row))
    assert len(file.lines) == 1
    assert _refusal(file) == RefusedLine(3, field, reason)


def test_an_hour_that_the_clocks_skip_is_refused(tmp_path: Path) -> None:
    file = read_lines(_csv(tmp_path, "c1,b1,2026-03-08T02:30:00,p1,,,,,"), time_zone="America/New_York")
    assert _refusal(file).field == "timestamp"


def test_a_basket_belongs_to_one_customer(tmp_path: Path) -> None:
    file = read_lines(_csv(tmp_path, GOOD, GOOD.replace("c1", "c2")))
    assert _refusal(file) == RefusedLine(3, "basket_id", "basket 'b1' already belongs to customer 'c1'")


def test_a_byte_order_mark_and_quoted_commas_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text(f'\ufeff{HEADER}\n"c,1",b1,2026-01-05,p1,,,,,\n', encoding="utf-8")
    assert read_lines(path).lines["customer_id"].to_list() == ["c,1"]


def test_ndjson_numbers_keep_every_digit_and_broken_lines_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "lines.ndjson"
    start = '{"customer_id": 7, "basket_id": "b1", "timestamp": "2026-01-05"'
    path.write_text(f'{start}, "product_id": "p1", "amount": 1.005}}\n{{broken\n[1]\n\n', encoding="utf-8")
    file = read_lines(path)
    assert file.lines.select("customer_id", "amount_minor").row(0) == ("7", 101)
    assert [(line.line_number, line.field) for line in file.refused] == [(2, ""), (3, "")]


def test_parquet_columns_of_any_type_are_read(tmp_path: Path) -> None:
    path = tmp_path / "lines.parquet"
    shanghai = timezone(timedelta(hours=8))
    pl.DataFrame(
        {
            "customer_id": [1, 2],
            "basket_id": [10, 11],
            "product_id": ["p1", "p2"],
            "timestamp": pl.Series([datetime(2026, 1, 5, 10, tzinfo=shanghai)] * 2).dt.convert_time_zone(
                "Asia/Shanghai"
            ),
            "amount": [0.1 + 0.2, None],
        }
    ).write_parquet(path)
    lines = read_lines(path).lines
    assert lines["amount_minor"].to_list() == [30, 0]
    assert lines["at"].to_list() == [datetime(2026, 1, 5, 2, tzinfo=UTC)] * 2


def test_all_three_kinds_of_file_give_the_same_lines(tmp_path: Path) -> None:
    path = _csv(tmp_path, GOOD, "c2,b2,2026-01-06 09:30:00+00:00,p2,1,2.00,0,S2,USD")
    expected = read_lines(path).lines.drop("line_number")
    text = pl.read_csv(path, infer_schema=False)
    text.write_parquet(tmp_path / "lines.parquet")
    text.write_ndjson(tmp_path / "lines.ndjson")
    for kind in ("parquet", "ndjson"):
        assert read_lines(tmp_path / f"lines.{kind}").lines.drop("line_number").equals(expected)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("lines.xlsx", b"", "unknown kind of file"),
        ("lines.csv", b"", "missing column"),
        ("lines.csv", b"customer_id,basket_id\nc,b\n", "missing column.*timestamp, product_id"),
        ("lines.csv", b"customer_id,customer_id\n", "appears twice"),
        ("lines.csv", b"\xff\xfe\x00", "utf-8"),
        ("lines.parquet", b"not parquet", "lines.parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LineFileError, match=message):
        read_lines(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LineFileError, match=r"nowhere\.csv"):
        read_lines(tmp_path / "nowhere.csv")
