"""Cells of files: what is certain is read, what is ambiguous is refused with the cure."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.ingest.domain import cells
from services.ingest.domain.cells import CellRules
from services.ingest.domain.faults import Refused

SHANGHAI = CellRules("CNY", ZoneInfo("Asia/Shanghai"))
BERLIN = CellRules("EUR", ZoneInfo("Europe/Berlin"), decimal=",", dates="dmy")


def code_of(refused: pytest.ExceptionInfo[Refused]) -> str:
    return refused.value.fault.code


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("0012", "0012"),
        (" 0012 ", "0012"),
        ('="0012"', "0012"),
        ("6001234567.0", "6001234567"),
        (6001234567.0, "6001234567"),
        (42, "42"),
        (Decimal(7), "7"),
        ("A-1", "A-1"),
    ],
)
def test_identifiers_keep_their_leading_zeros_and_lose_what_a_tool_added(raw: Any, text: str) -> None:
    assert cells.id_of(raw) == text


@pytest.mark.parametrize("raw", ["6.1E+09", "1.38E+10", "1,38e+10", "1e5"])
def test_a_number_that_a_spreadsheet_shortened_is_refused_with_the_cure(raw: str) -> None:
    with pytest.raises(Refused) as refused:
        cells.id_of(raw)
    assert code_of(refused) == "spreadsheet_number"
    assert "format the column as text" in refused.value.fault.message
    assert raw not in refused.value.fault.message


@pytest.mark.parametrize(
    ("raw", "minor"),
    [("12.5", 1250), ("1,234.50", 123450), ("0.005", 1), (12.5, 1250), ("12", 1200), (Decimal("0.29"), 29)],
)
def test_amounts_in_major_units_become_minor_ones_half_up(raw: Any, minor: int) -> None:
    assert cells.minor_of(raw, SHANGHAI, "CNY") == minor


@pytest.mark.parametrize(("raw", "minor"), [("12,5", 1250), ("1.234,50", 123450), ("12", 1200), (12.5, 1250)])
def test_a_decimal_comma_is_read_where_the_file_has_it(raw: Any, minor: int) -> None:
    assert cells.minor_of(raw, BERLIN, "EUR") == minor


@pytest.mark.parametrize("raw", ["1,234", "12,50", "1 234.50", "12.5.1", "¥5", "1,23.4", "12x"])
def test_an_amount_that_can_be_read_in_two_ways_or_in_none_is_refused(raw: str) -> None:
    with pytest.raises(Refused):
        cells.minor_of(raw, SHANGHAI, "CNY")


def test_a_decimal_comma_that_was_not_named_is_refused_with_what_to_name() -> None:
    with pytest.raises(Refused, match="decimal=,"):
        cells.decimal_of("12,50", SHANGHAI)
    with pytest.raises(Refused, match=r"decimal=\."):
        cells.decimal_of("12.50", BERLIN)


def test_a_negative_amount_is_refused_and_says_where_returns_go() -> None:
    with pytest.raises(Refused, match="kind return"):
        cells.minor_of("-5", SHANGHAI, "CNY")


@pytest.mark.parametrize("raw", ["03/04/2026", "25/03/2026", "3.4.2026", "1/2/26"])
def test_a_date_of_unnamed_order_is_refused_even_where_one_row_would_tell(raw: str) -> None:
    with pytest.raises(Refused) as refused:
        cells.day_of(raw, SHANGHAI)
    assert code_of(refused) == "ambiguous_date"


@pytest.mark.parametrize(
    ("raw", "rules", "day"),
    [
        ("2026-04-03", SHANGHAI, date(2026, 4, 3)),
        ("20260403", SHANGHAI, date(2026, 4, 3)),
        ("2026/4/3", SHANGHAI, date(2026, 4, 3)),
        ("03/04/2026", BERLIN, date(2026, 4, 3)),
        ("3.4.2026", BERLIN, date(2026, 4, 3)),
        (date(2026, 4, 3), SHANGHAI, date(2026, 4, 3)),
    ],
)
def test_a_date_is_read_in_the_order_that_was_named(raw: Any, rules: CellRules, day: date) -> None:
    assert cells.day_of(raw, rules) == day


@pytest.mark.parametrize("raw", ["46000", "46000.5"])
def test_a_spreadsheets_number_of_a_day_is_refused(raw: str) -> None:
    with pytest.raises(Refused) as refused:
        cells.moment_of(raw, SHANGHAI)
    assert code_of(refused) == "spreadsheet_number"


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("2026-03-01 09:30", "2026-03-01T09:30:00+08:00"),
        ("2026-03-01 9:30:05", "2026-03-01T09:30:05+08:00"),
        ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00+00:00"),
        ("2026-03-01 09:30:00 +02:00", "2026-03-01T09:30:00+02:00"),
        ("2026-03-01", "2026-03-01T00:00:00+08:00"),
        (datetime(2026, 3, 1, 9, 30), "2026-03-01T09:30:00+08:00"),  # noqa: DTZ001 (what Parquet gives)
    ],
)
def test_a_time_without_offset_is_local_to_the_files_zone(raw: Any, written: str) -> None:
    assert cells.moment_of(raw, SHANGHAI).isoformat() == written


def test_an_hour_that_the_clocks_skip_is_refused() -> None:
    with pytest.raises(Refused, match="clocks went forward"):
        cells.moment_of("2026-03-29 02:30", BERLIN)


def test_flags_and_nested_values() -> None:
    assert cells.flag_of("Yes") is True
    assert cells.flag_of("否") is False
    assert cells.flag_of(False) is False
    for wrong in ("maybe", "2"):
        with pytest.raises(Refused):
            cells.flag_of(wrong)
    with pytest.raises(Refused, match="one value"):
        cells.text_of([1])
    with pytest.raises(Refused, match="NDJSON"):
        cells.json_of("{}")
