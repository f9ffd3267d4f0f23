"""Keeping personal data out of events: what free-form fields may not carry further, and card numbers never."""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import orjson

REMOVED = "[removed]"
NAMES_REMEMBERED_MAX = 2_000
"""Names of fields are few and come in every event."""
NAME_CHARS_REMEMBERED_MAX = 64

CONTACT_FIELDS = frozenset(
    {"email", "phone", "mobile", "telephone", "name", "firstname", "lastname", "fullname", "nickname", "address"}
    | {"street", "postalcode", "zip", "birthday", "birthdate", "dateofbirth", "avatar", "username", "idnumber"}
    | {"ip", "ipaddress", "passport", "ssn", "wechat", "wechatid", "openid", "unionid", "token", "password"}
    | {"loyaltycard", "cardnumber", "cardtoken", "externalid", "userid", "anonymousid", "deviceid", "lat", "lng"}
    | {"givenname", "familyname", "forename", "surname", "middlename", "dob"}
    | {"latitude", "longitude", "shippingaddress", "billingaddress", "customer", "recipient", "contact", "mail"}
)
"""Names of fields, lower case without separators, whose values are personal whatever they look like."""

_ID_ENDINGS = ("id", "sku", "ean", "gtin", "upc", "barcode", "code", "number")
_SHORTEST_PHONE = 8
_SEPARATORS = re.compile(r"[\s_\-.]")
_EMAIL = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+\.[^\s@<>\"'(),;:]+")
# Chinese mobile numbers, and anything in international form; other digits may be bar codes or order numbers.
_PHONE = re.compile(r"(?<![\d.])\+\d[\d\-]{6,17}\d(?!\d)|(?<![\d.])1[3-9]\d{9}(?!\d)")
_CARD_LIKE = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")


def is_personal(field_name: str) -> bool:
    """Whether a field of this name holds contact data."""
    is_long = len(field_name) > NAME_CHARS_REMEMBERED_MAX
    return (_is_personal.__wrapped__ if is_long else _is_personal)(field_name)


@lru_cache(maxsize=NAMES_REMEMBERED_MAX)
def _is_personal(field_name: str) -> bool:
    return field_key(field_name) in CONTACT_FIELDS


def field_key(field_name: str) -> str:
    """Return a field's name as it is compared: first_name, firstName and First-Name are one."""
    return _SEPARATORS.sub("", field_name).casefold()


def scrubbed(value: Any, secrets: Collection[str] = (), name: str = "") -> Any:  # noqa: ANN401 (any JSON value)
    """Return a JSON value without contact data: personal fields, e-mail addresses, phone numbers, `secrets`.

    `secrets` are the event's own identifiers as they were sent; `name` is the field that the value stands in.
    """
    if isinstance(value, str):
        return scrubbed_text(value, secrets, keeps_digits=_is_id(name))
    if isinstance(value, dict):
        left = {name: inner for name, inner in value.items() if not is_personal(name)}
        return left if is_clean(left, secrets) else _without_contacts(left, secrets)
    if isinstance(value, list):
        return [scrubbed(inner, secrets, name) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    return value if scrubbed_text(text, secrets, keeps_digits=_is_id(name)) == text else REMOVED


def _without_contacts(fields: Mapping[str, Any], secrets: Collection[str]) -> dict[str, Any]:
    return {scrubbed_text(name, secrets): scrubbed(value, secrets, name) for name, value in fields.items()}


def is_clean(fields: Mapping[str, Any], secrets: Collection[str]) -> bool:
    """Whether a flat object without personal fields holds nothing to take out.

    One look at all of it, since most have nothing.
    """
    if any(isinstance(value, dict | list) for value in fields.values()):
        return False
    text = orjson.dumps(fields).decode()
    if "@" in text or _PHONE.search(text):
        return False
    return not any(orjson.dumps(secret).decode()[1:-1] in text for secret in secrets)


def scrubbed_text(text: str, secrets: Collection[str] = (), *, keeps_digits: bool = False) -> str:
    """Return a text with e-mail addresses, phone numbers and `secrets` taken out.

    `keeps_digits` leaves what merely looks like a phone number: a product's number may.
    """
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, REMOVED)
    if "@" in text:
        text = _EMAIL.sub(REMOVED, text)
    if len(text) >= _SHORTEST_PHONE and not keeps_digits:
        text = _PHONE.sub(REMOVED, text)
    return text


def _is_id(name: str) -> bool:
    return name.casefold().endswith(_ID_ENDINGS)


def holds_card_number(text: str) -> bool:
    """Whether a payment card's number (13 to 19 digits that pass Luhn's check) stands in the text."""
    return any(_passes_luhn(match[0]) for match in _CARD_LIKE.finditer(text))


def without_card_numbers(text: str) -> str:
    """Return the text with every payment card's number taken out."""
    return _CARD_LIKE.sub(lambda match: REMOVED if _passes_luhn(match[0]) else match[0], text)


def _passes_luhn(text: str) -> bool:
    digits = [int(character) for character in text if character.isdigit()]
    doubled = (digit * 2 for digit in digits[-2::-2])
    total = sum(digits[-1::-2]) + sum(figure - 9 if figure > 9 else figure for figure in doubled)
    return total % 10 == 0 and any(digits)
