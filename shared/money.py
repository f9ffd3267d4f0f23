"""Money as integer minor units, each currency with its own exponent."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

# ISO 4217, active currencies (list one, 2024) by the number of digits after the point.
_BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD "
    "CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD "
    "HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD "
    "MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON "
    "RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD "
    "TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS = {code: exponent for exponent, codes in _BY_EXPONENT.items() for code in codes.split()}
_MINOR_MAX = 10**15


class InvalidMoney(ValueError):
    """An amount or currency that is none."""


def currency_exponent(currency: str) -> int:
    """Return how many digits a currency has after the point: JPY 0, CNY 2, KWD 3.

    Raises:
        InvalidMoney: not an active ISO 4217 code, upper case.
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise InvalidMoney("not an ISO 4217 currency") from None


def minor_from_major(amount: str | int | Decimal, currency: str) -> int:
    """Return an amount in major units (`"12.50"`) as minor units, rounded half up (away from zero).

    Raises:
        InvalidMoney: not a finite decimal, a float, more than 10^15 minor units, or an unknown currency.
    """
    if isinstance(amount, float | bool):
        raise InvalidMoney("a float has already lost the amount; parse the text as Decimal")
    exponent = currency_exponent(currency)
    try:
        exact = Decimal(amount)
        if not exact.is_finite() or exact.adjusted() + exponent > 15:
            raise InvalidMoney("not an amount of money")
        minor = int(exact.scaleb(exponent).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    except InvalidOperation:
        raise InvalidMoney("not a decimal number") from None
    if abs(minor) > _MINOR_MAX:
        raise InvalidMoney("not an amount of money")
    return minor


def major_text(minor: int, currency: str) -> str:
    """Return minor units as decimal text in major units: 1250 CNY is `12.50`. Raises InvalidMoney."""
    exponent = currency_exponent(currency)
    return f"{Decimal(minor).scaleb(-exponent):.{exponent}f}"
