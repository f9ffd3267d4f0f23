"""One spelling per identifier, and the refusal of values that name nobody or must not be kept."""

import re
import unicodedata
from collections.abc import Callable

import phonenumbers

from shared.identity.namespaces import STRENGTH, is_namespace

_LENGTH_MAX = 255
_NOBODY = frozenset(
    ["null", "(null)", "<null>", "none", "nil", "nan", "undefined", "unknown", "anonymous", "guest", "noname"]
)
_TOXIC = _NOBODY | frozenset(["n/a", "na", "-1", "true", "false", "test", "default", "user", "customer", "visitor"])
_TOXIC_OBJECT = "[object object]"
_BORED_MAILBOXES = frozenset(["test", "tester", "testing", "asdf", "qwerty", "fake", "abc", "aaa", "xxx"])
_NO_MAILBOXES = frozenset(["noreply", "no-reply", "donotreply", "do-not-reply", "noemail", "no-email", "nomail"])
_TOXIC_MAILBOXES = _NOBODY | _BORED_MAILBOXES | _NO_MAILBOXES
_TOXIC_DOMAINS = frozenset(["test.com", "test.test", "null.com", "none.com", "noemail.com", "asdf.com"])
# Numbers that tills and forms are taught to accept when the customer gives none.
_TOXIC_PHONES = frozenset({"+8613800138000", "+8613800000000", "+8613888888888", "+8613123456789"})
_BORED_CHARS_MIN = 6
_COUNTED_UP = frozenset(digits[:end] for digits in ("0123456789", "1234567890") for end in range(6, 11))
_PAN_LENGTHS = range(13, 20)

# White space, the ASCII hyphen, and U+2010 to U+2015.
_SEPARATORS = re.compile("[\\s\\-\u2010-\u2015]+")
_OPENID = re.compile(r"[A-Za-z0-9_\-]{6,64}")
# Deliberately simple: whether a mailbox exists is known only by writing to it.
_EMAIL = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@(?:[^\s@.<>()\[\],;:\\\"]+\.)+[^\s@.<>()\[\],;:\\\"]{2,}")


class InvalidIdentifier(ValueError):
    """An identifier that cannot stand for a person. Never quotes the value: it may be personal data."""

    def __init__(self, field: str, reason: str, cure: str) -> None:
        super().__init__(f"{field}: {reason}; {cure}")
        self.field = field
        self.reason = reason
        self.cure = cure


def normalise(namespace: str, value: str, region: str = "CN") -> str:
    """Return the one spelling of an identifier, from which its blind index is made.

    `region` (ISO 3166-1 alpha-2) is where a phone number without a country code belongs. Normalising a
    normalised value changes nothing.

    Raises:
        InvalidIdentifier: an unknown namespace, a malformed value, one that names nobody (`null`, all zeros),
            or a payment card's number.
    """
    if not is_namespace(namespace):
        known = ", ".join(STRENGTH)
        raise InvalidIdentifier("namespace", "is none that is known", f"use {known} or external:NAME")
    text = unicodedata.normalize("NFKC", _without_format_characters(value)).strip()
    _check_printable(namespace, text)
    _check_names_somebody(namespace, text)
    if namespace == "phone":
        return _phone(text, region)
    rule = _RULES.get(namespace)
    normalised = rule(text) if rule else text
    _check_names_somebody(namespace, normalised)
    return normalised


def _without_format_characters(value: str) -> str:
    """Drop the invisible marks (zero width, direction) that come along with a pasted number."""
    if value.isascii():
        return value
    return "".join(character for character in value if unicodedata.category(character) != "Cf")


def _check_printable(namespace: str, text: str) -> None:
    if not text:
        raise InvalidIdentifier(namespace, "is empty", "leave the identifier out")
    if len(text) > _LENGTH_MAX:
        reason = f"is longer than {_LENGTH_MAX} characters"
        raise InvalidIdentifier(namespace, reason, "send the identifier alone")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise InvalidIdentifier(namespace, "holds a control character", "send plain text")


def _check_names_somebody(namespace: str, text: str) -> None:
    if text.casefold() in _TOXIC or text.casefold() == _TOXIC_OBJECT or not text.strip("0-. :"):
        raise InvalidIdentifier(namespace, "is a placeholder, not a person's", "leave the identifier out")


def _phone(text: str, region: str) -> str:
    number = _parsed_phone(text, region)
    if number.extension:
        raise InvalidIdentifier("phone", "has an extension, so it is shared", "send a direct number")
    if not phonenumbers.is_valid_number(number):
        raise InvalidIdentifier("phone", "is no number of its country", "check digits and country code")
    normalised = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if normalised in _TOXIC_PHONES or len(set(str(number.national_number))) == 1:
        raise InvalidIdentifier("phone", "is a placeholder, not a person's", "leave the identifier out")
    return normalised


def _parsed_phone(text: str, region: str) -> phonenumbers.PhoneNumber:
    international = "+" + text[2:] if text.startswith("00") else text
    try:
        return phonenumbers.parse(international, region)
    except phonenumbers.NumberParseException as error:
        cure = "send it as +COUNTRY NUMBER or in the shop's own country's form"
        raise InvalidIdentifier("phone", "is not a phone number", cure) from error


def _email(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text.lower())
    if not _EMAIL.fullmatch(folded) or ".." in folded or folded.startswith("."):
        raise InvalidIdentifier("email", "is not an e-mail address", "send it as name@domain")
    mailbox, _, domain = folded.rpartition("@")
    if mailbox in _TOXIC_MAILBOXES or domain in _TOXIC_DOMAINS:
        raise InvalidIdentifier("email", "is a placeholder, not a person's", "leave the identifier out")
    return folded


def _loyalty_card(text: str) -> str:
    card = unicodedata.normalize("NFKC", _SEPARATORS.sub("", text).upper())
    # What a bored hand types: 9999999999, 123456789.
    if len(card) >= _BORED_CHARS_MIN and (len(set(card)) == 1 or card in _COUNTED_UP):
        raise InvalidIdentifier("loyalty_card", "is a placeholder, not a person's", "leave the identifier out")
    return card


def _openid(text: str) -> str:
    if not _OPENID.fullmatch(text):
        raise InvalidIdentifier("wechat_openid", "is not an id of WeChat", "send it as WeChat gave it")
    return text


def _unionid(text: str) -> str:
    if not _OPENID.fullmatch(text):
        raise InvalidIdentifier("wechat_unionid", "is not an id of WeChat", "send it as WeChat gave it")
    return text


def _card_token(text: str) -> str:
    digits = _SEPARATORS.sub("", text)
    if digits.isdecimal() and len(digits) in _PAN_LENGTHS and _passes_luhn(digits):
        cure = "send the payment provider's token or the card's PAR"
        raise InvalidIdentifier("card_token", "looks like a payment card's number, which is never kept", cure)
    return text


def _passes_luhn(digits: str) -> bool:
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    total = sum(map(int, digits[-1::-2])) + sum(figure - 9 if figure > 9 else figure for figure in doubled)
    return total % 10 == 0


_RULES: dict[str, Callable[[str], str]] = {
    "loyalty_card": _loyalty_card,
    "email": _email,
    "wechat_openid": _openid,
    "wechat_unionid": _unionid,
    "card_token": _card_token,
}
