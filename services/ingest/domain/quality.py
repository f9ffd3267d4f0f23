"""The rules of quality, each with a name that results, metrics and `GET /v1/quality` show.

Only what is certain is corrected. What was sent stays sealed in the archive as it came.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015]+")
_DATE = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{2})(\d{2}))")
_TIME = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[ T]+(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?) ?(Z|[+-]\d{2}:?\d{2})"
)
_CURRENCY_NAMES: Mapping[str, str] = {"RMB": "CNY", "CNH": "CNY", "人民币": "CNY", "NTD": "TWD", "NT$": "TWD"}
# What nearly everybody sends takes no more than a look.
_CURRENCIES_SEEN = frozenset({"CNY", "USD", "EUR", "GBP", "JPY", "HKD", "TWD", "KRW"})
_ISO_DATE_CHARS = 10
_GTIN_LENGTHS = frozenset({8, 12, 13, 14})
# Codes of 8 digits and fewer are too often a shop's own numbers.
_LONG_GTINS = frozenset({12, 13, 14})
_GTIN_BODY_LENGTHS = frozenset({11, 12, 13})
LONG_CODE_CHARS = 11
_GTIN_CHARS = 14


class Way(StrEnum):
    """What a rule does."""

    STANDARDISE = "standardise"
    CORRECT = "correct"
    FILL = "fill"
    LEAVE_OUT = "leave_out"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name, what it does, and what it says for people."""

    name: str
    way: Way
    says: str


@dataclass(frozen=True, slots=True)
class Correction:
    """One field that was not stored as it was sent."""

    rule: str
    field: str
    """JSON pointer into the item."""


PHONE = Rule("phone_to_e164", Way.STANDARDISE, "phone numbers as +COUNTRY NUMBER (0086, spaces, full-width digits)")
EMAIL = Rule("email_one_spelling", Way.STANDARDISE, "e-mail addresses in lower case, half-width, trimmed")
CARD = Rule("card_one_spelling", Way.STANDARDISE, "loyalty cards without separators, in upper case")
IDENTIFIER = Rule("identifier_trimmed", Way.STANDARDISE, "other identifiers trimmed, half-width")
CURRENCY = Rule("currency_code", Way.STANDARDISE, "currencies as ISO 4217 codes (cny, RMB)")
DATE = Rule("date_form", Way.STANDARDISE, "dates, year first, as YYYY-MM-DD (2026/3/1, 20260301)")
TIME = Rule("time_form", Way.STANDARDISE, "times, year first and with offset, as RFC 3339")
PRODUCT_DIGITS = Rule("product_code_digits", Way.STANDARDISE, "GTINs whose check digit fits, as plain digits")
CHECK_DIGIT = Rule("product_code_check_digit", Way.CORRECT, "GTINs that the catalogue knows with their check digit")
PRODUCT_ID = Rule("product_code_known", Way.CORRECT, "GTINs of a product that the catalogue knows under its own id")
LINE_NUMBER = Rule("line_number_by_place", Way.FILL, "lines without any line_number are numbered as they stand")
GTIN = Rule("product_from_gtin", Way.FILL, "lines without product_id are of the product of their gtin")
SCALE = Rule("survey_scale", Way.FILL, "surveys without a scale are on the usual one: NPS 0-10, CSAT 1-5, CES 1-7")
STARS = Rule("rating_to_stars", Way.STANDARDISE, "ratings on another scale in stars, 1 to 5")
LANGUAGE = Rule("language_tag", Way.STANDARDISE, "languages as BCP 47 tags (zh_CN)")
REMOVED = Rule("contact_data_removed", Way.LEAVE_OUT, "contact data in properties and texts, which no event carries")
TRAITS = Rule("traits_cut", Way.LEAVE_OUT, "traits past the hundredth, and text past 1,000 characters")
IGNORED = Rule("identifier_ignored", Way.LEAVE_OUT, "placeholders in place of an identifier (null, 13800138000)")

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        *(PHONE, EMAIL, CARD, IDENTIFIER, CURRENCY, DATE, TIME, PRODUCT_DIGITS, CHECK_DIGIT, PRODUCT_ID),
        *(LINE_NUMBER, GTIN, SCALE, STARS, LANGUAGE, REMOVED, TRAITS, IGNORED),
    )
}
_OF_NAMESPACE: Mapping[str, Rule] = {"phone": PHONE, "email": EMAIL, "loyalty_card": CARD}


def rule_of(name: str) -> Rule:
    """Return the rule of this name; the code of a refusal is one too."""
    return RULES.get(name) or Rule(name, Way.REFUSE, "refused with this code; docs/ingest.md has its cure")


def rule_of_namespace(namespace: str) -> Rule:
    return _OF_NAMESPACE.get(namespace, IDENTIFIER)


def half_width(text: str) -> str:
    """Return the text with full-width letters and digits as plain ones, trimmed."""
    return text.strip() if text.isascii() else unicodedata.normalize("NFKC", text).strip()


def currency_code(text: str) -> str:
    """Return a currency as its ISO 4217 code where that is certain, else as it is."""
    if text in _CURRENCIES_SEEN:
        return text
    folded = half_width(text).upper()
    return _CURRENCY_NAMES.get(folded, folded)


def iso_date(text: str) -> str:
    """Return a date that names its year first as YYYY-MM-DD; any other, such as 01/03/2026, as it is."""
    if text[4:5] == text[7:8] == "-" and len(text) == _ISO_DATE_CHARS and text.isascii():
        return text
    match = _DATE.fullmatch(half_width(text))
    if match is None:
        return text
    year, *parts = (part for part in match.groups() if part is not None)
    month, day = parts
    return f"{year}-{int(month):02}-{int(day):02}"


def iso_time(text: str) -> str:
    """Return a time with year first and offset as RFC 3339; any other as it is."""
    if text[_ISO_DATE_CHARS : _ISO_DATE_CHARS + 1] == "T" and text[4] == text[7] == "-":
        return text
    match = _TIME.fullmatch(half_width(text))
    if match is None:
        return text
    year, month, day, clock, offset = match.groups()
    if offset != "Z" and ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    return f"{year}-{int(month):02}-{int(day):02}T{clock}{offset}"


def plain_gtin(text: str) -> str | None:
    """Return a GTIN's digits, without separators; None where it is none, or its check digit does not fit."""
    digits = _SEPARATORS.sub("", half_width(text))
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in _GTIN_LENGTHS:
        return None
    return digits if check_digit(digits[:-1]) == digits[-1] else None


def check_digit(body: str) -> str:
    """Return the GS1 check digit of the digits before it."""
    weighted = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return str(-weighted % 10)


def gtin_14(digits: str) -> str:
    return digits.rjust(_GTIN_CHARS, "0")


def gtins_meant(code: str) -> tuple[tuple[str, Rule], ...]:
    """Return the GTINs (14 digits) that a product code may mean, the likelier first, each with the rule for it."""
    if not (code.isascii() and code.isdigit()):
        return ()
    meant: list[tuple[str, Rule]] = []
    if len(code) in _LONG_GTINS and check_digit(code[:-1]) == code[-1]:
        meant.append((gtin_14(code), PRODUCT_ID))
    if len(code) in _GTIN_BODY_LENGTHS:
        meant.append((gtin_14(code + check_digit(code)), CHECK_DIGIT))
    return tuple(meant)


def replaced(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**fields, **changes} if changes else fields
