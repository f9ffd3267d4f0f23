"""What stands in a cell of a file, as a value of ours: money, times, flags; ambiguous ones are refused.

A cell is text (CSV), or what JSON and Parquet hold. Every refusal names the cure and never quotes the value.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

from services.ingest.domain.faults import Refused
from shared.money import InvalidMoney, currency_exponent, minor_from_major

DateOrder = Literal["iso", "dmy", "mdy", "ymd"]
DecimalSign = Literal[".", ","]

_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+")
_WHOLE_AS_DECIMAL = re.compile(r"(\d{1,15})\.0")
_EXCEL_TEXT = re.compile(r'="(.*)"')
_GROUPED = {
    ".": re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)"),
    ",": re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)"),
}
_PLAIN = {".": re.compile(r"[+-]?\d+(?:\.\d+)?"), ",": re.compile(r"[+-]?\d+(?:,\d+)?")}
_DATE = re.compile(r"(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(?:[T ]+(\d.*))?")
_ISO_START = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}(?!\d)")
_SERIAL = re.compile(r"\d{5}(?:\.\d+)?")
_FLOAT_EXACT_MAX = 2**53
_DIGITS_MAX = 30
_YEARS = range(2, 9999)
_FLAGS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "是", "x"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "否"), False),
}


@dataclass(frozen=True, slots=True)
class CellRules:
    """How a file writes its numbers and dates, and what it leaves out."""

    currency: str
    zone: ZoneInfo
    decimal: DecimalSign = "."
    dates: DateOrder = "iso"


def is_blank(value: object) -> bool:
    """Whether a cell holds nothing; Parquet files written from data frames say so by NaN."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def text_of(value: object) -> str:
    """Return a cell as text; numbers as they would be written by hand. Raises Refused."""
    if isinstance(value, str):
        stripped = value.strip()
        quoted = _EXCEL_TEXT.fullmatch(stripped)
        return quoted[1] if quoted else stripped
    if isinstance(value, bool | int | float | Decimal):
        return _number_text(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise Refused("invalid_field", "holds a list or an object where one value is expected")


def _number_text(value: float | Decimal) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _FLOAT_EXACT_MAX:
        return str(int(value))
    return f"{value:f}" if isinstance(value, Decimal) else repr(value)


def id_of(value: object) -> str:
    """Return an identifier: digits stay digits, leading zeros stay. Raises Refused for what a spreadsheet spoiled."""
    text = text_of(value)
    if _SCIENTIFIC.fullmatch(text) and not text.isdigit():
        raise Refused(
            "spreadsheet_number",
            "was turned into a number such as 6.0E+09 by a spreadsheet, its last digits are lost; format the column "
            "as text there and export it again",
        )
    whole = _WHOLE_AS_DECIMAL.fullmatch(text)
    return whole[1] if whole else text


def decimal_of(value: object, rules: CellRules) -> Decimal:
    """Return a number. Raises Refused; a thousands separator is read only where it can be nothing else."""
    text = text_of(value)
    sign = rules.decimal if isinstance(value, str) else "."
    if _GROUPED[sign].fullmatch(text):
        text = text.replace("," if sign == "." else ".", "")
    elif not _PLAIN[sign].fullmatch(text) and not _SCIENTIFIC.fullmatch(text):
        other = "," if sign == "." else "."
        cure = f"; if the file writes decimals with '{other}', say decimal={other}" if other in text else ""
        raise Refused("invalid_field", f"is no number such as 12{sign}50{cure}")
    try:
        number = Decimal(text.replace(",", "."))
    except InvalidOperation:
        raise Refused("invalid_field", "is no number") from None
    if number and abs(number.adjusted()) > _DIGITS_MAX:
        raise Refused("invalid_field", "is out of range")
    return number


def plain_decimal(value: object, rules: CellRules) -> str:
    """Return a number as decimal text without idle zeros. Raises Refused."""
    number = decimal_of(value, rules)
    if abs(number.adjusted()) > 15:
        raise Refused("invalid_field", "is out of range")
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def minor_of(value: object, rules: CellRules, currency: str) -> int:
    """Return an amount in major units as minor units, rounded half up. Raises Refused."""
    try:
        minor = minor_from_major(decimal_of(value, rules), currency)
    except InvalidMoney:
        raise Refused("invalid_field", f"is no amount of money in {currency}") from None
    if minor < 0:
        raise Refused("negative_amount", "is negative; send returns as receipts of kind return (NDJSON or POSLog)")
    return minor


def whole_of(value: object, rules: CellRules) -> int:
    """Return a whole number. Raises Refused."""
    number = decimal_of(value, rules)
    if number != number.to_integral_value() or number.adjusted() > 15:
        raise Refused("invalid_field", "is no whole number")
    return int(number)


def flag_of(value: object) -> bool:
    """Return yes or no. Raises Refused."""
    found = _FLAGS.get(text_of(value).casefold())
    if found is None:
        raise Refused("invalid_field", "is neither yes nor no (true, yes, 1; false, no, 0)")
    return found


def currency_of(value: object) -> str:
    """Return an ISO 4217 code. Raises Refused."""
    code = text_of(value).upper()
    try:
        currency_exponent(code)
    except InvalidMoney:
        raise Refused("invalid_field", "is no active ISO 4217 currency, such as CNY") from None
    return code


def day_of(value: object, rules: CellRules) -> date:
    """Return a date. Raises Refused."""
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else _written_moment(text_of(value), rules).date()


def moment_of(value: object, rules: CellRules) -> datetime:
    """Return a time with its offset; one without an offset is local to the file's zone. Raises Refused."""
    moment = value if isinstance(value, datetime) else None
    if moment is None and isinstance(value, date):
        moment = datetime.combine(value, time())
    if moment is None:
        moment = _written_moment(text_of(value), rules)
    if moment.year not in _YEARS:
        raise Refused("time_out_of_range", "lies outside of what a clock shows")
    if moment.tzinfo is not None:
        return moment
    local = moment.replace(tzinfo=rules.zone)
    if local.astimezone(UTC).astimezone(rules.zone).replace(tzinfo=None) != moment:
        raise Refused("invalid_field", f"does not exist in {rules.zone.key}: clocks went forward; send the offset")
    return local


def _written_moment(text: str, rules: CellRules) -> datetime:
    if _ISO_START.match(text):
        return _iso(text)
    if _SERIAL.fullmatch(text):
        raise Refused(
            "spreadsheet_number",
            "is a spreadsheet's number of a day; format the column as 2026-03-01 and export again",
        )
    match = _DATE.fullmatch(text)
    if match is None:
        raise Refused("invalid_field", "is no date such as 2026-03-01, or time such as 2026-03-01 09:30:00")
    year, month, day = _ordered((match[1], match[2], match[3]), rules.dates)
    return _iso(f"{int(year):04}-{int(month):02}-{int(day):02}" + (f" {match[4]}" if match[4] else ""))


def _ordered(parts: tuple[str, str, str], dates: DateOrder) -> tuple[str, str, str]:
    first, second, third = parts
    if len(first) == 4:
        return first, second, third
    if dates == "dmy" and len(third) == 4:
        return third, second, first
    if dates == "mdy" and len(third) == 4:
        return third, first, second
    if dates == "iso":
        raise Refused(
            "ambiguous_date",
            "may be day or month first; say date_format=dmy or date_format=mdy, or write 2026-03-01",
        )
    raise Refused("invalid_field", f"is not written as date_format={dates} says, with a year of four digits")


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(_padded(text))
    except ValueError:
        raise Refused("invalid_field", "is no date such as 2026-03-01, or time such as 2026-03-01 09:30:00") from None


def _padded(text: str) -> str:
    """Give `9:30` its zero, and a time the one separator before its offset that ISO 8601 has."""
    day, separator, clock = re.sub(r"\s+(?=[+-]\d\d:?\d\d$|Z$)", "", text.strip()).partition(" ")
    return f"{day}{separator}{clock.zfill(len(clock) + 1) if re.match(r'[0-9]:', clock) else clock}"


def json_of(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """Return a list or object as it is. Raises Refused for text: only JSON and Parquet nest."""
    if isinstance(value, list | dict):
        return value
    raise Refused("invalid_field", "is a list or object, which a text file cannot hold; send NDJSON")
