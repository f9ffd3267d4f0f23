"""Money: exact, in each currency's own minor units."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import InvalidMoney, currency_exponent, major_text, minor_from_major


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.50", "CNY", 1250),
        ("12.345", "CNY", 1235),
        ("12.344", "CNY", 1234),
        ("-12.345", "CNY", -1235),
        ("1250", "JPY", 1250),
        ("0.5", "JPY", 1),
        ("1.2345", "KWD", 1235),
        (Decimal("0.1"), "USD", 10),
        (3, "USD", 300),
        ("1e2", "USD", 10000),
        ("10000000000000.00", "USD", 10**15),
    ],
)
def test_major_units_become_minor_units_rounded_half_up(amount: str, currency: str, minor: int) -> None:
    assert minor_from_major(amount, currency) == minor


@pytest.mark.parametrize("amount", ["", "ten", "NaN", "Infinity", "1e999999", "10000000000000.01", 1.5, True])
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    with pytest.raises(InvalidMoney):
        minor_from_major(amount, "USD")


@pytest.mark.parametrize("currency", ["XXX", "cny", "", "¥"])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(InvalidMoney, match="ISO 4217"):
        minor_from_major("1", currency)


def test_exponents_are_the_currencys_own() -> None:
    assert [currency_exponent(each) for each in ("JPY", "CNY", "KWD", "CLF")] == [0, 2, 3, 4]


@given(minor=st.integers(-(10**15), 10**15), currency=st.sampled_from(["JPY", "CNY", "KWD", "CLF"]))
def test_showing_and_parsing_gives_the_same_amount(minor: int, currency: str) -> None:
    assert minor_from_major(major_text(minor, currency), currency) == minor


def test_amounts_are_shown_with_all_their_digits() -> None:
    assert major_text(1250, "CNY") == "12.50"
    assert major_text(-5, "KWD") == "-0.005"
    assert major_text(7, "JPY") == "7"
