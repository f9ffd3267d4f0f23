"""Reading one item: its size, its characters, its fields, and the first fault in plain words."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

import orjson
from pydantic import BaseModel, ValidationError

from services.ingest.domain.faults import Fault, Refused
from services.ingest.domain.identifiers import Identified, identify
from services.ingest.drafts import Context, Draft, Item, Rejected
from services.ingest.schemas.receipts import IdentifierIn

ITEM_BYTES_MAX = 900_000
MESSAGE_ID_CHARS_MAX = 128
BOT = "bot"
"""Code of what a crawler sent."""
NO_FAULT = Fault("", "")
M = TypeVar("M", bound=BaseModel)

Drafting = Callable[[Item], Draft]
"""Understands an item; raises Refused."""


def draft_each(
    items: Iterable[object],
    kind: str,
    context: Context,
    drafting: Drafting,
    message_id_of: Callable[[Mapping[str, Any]], str | None],
) -> list[Draft | Rejected]:
    """Judge every item alone. `message_id_of` tells what a refused item can be asked for by, where it can."""
    judged: list[Draft | Rejected] = []
    for place, item in enumerate(items):
        original = b""
        try:
            original = written(item)
            judged.append(drafting(Item(place, as_object(item), original, context)))
        except (Refused, ValidationError) as no:
            message_id = message_id_of(item) if isinstance(item, Mapping) else None
            kept = original or repr(item).encode("utf-8", "backslashreplace")
            judged.append(_rejected(no, Rejected(place, context, kind, NO_FAULT, kept, message_id)))
    return judged


def _rejected(no: Refused | ValidationError, item: Rejected) -> Rejected:
    if isinstance(no, ValidationError):
        return replace(item, fault=fault_of(no))
    return replace(
        item, fault=no.fault, violations=no.violations, is_dropped=no.is_dropped, is_bot=no.fault.code == BOT
    )


def written(item: object) -> bytes:
    """Write an item as JSON. Raises Refused when it holds what no text of ours can hold, or is too large."""
    try:
        text = orjson.dumps(item)
    except (TypeError, ValueError, RecursionError):
        raise Refused("invalid_text", "holds half a surrogate pair or is nested too deeply") from None
    if b"\\u0000" in text and _holds_nul(item):
        raise Refused("invalid_text", "holds the NUL character (U+0000), which no field takes; leave it out")
    return text


def check_size(item: Item) -> None:
    """Raise Refused for an item past the limit."""
    if len(item.original) > ITEM_BYTES_MAX:
        raise too_large(item.fields, ITEM_BYTES_MAX)


def too_large(item: Mapping[str, Any], limit_bytes: int) -> Refused:
    """Return the refusal of an item for its size; it names the field that takes most."""
    largest = max(item, key=lambda name: len(orjson.dumps(item[name])))
    message = f"this field makes it larger than {limit_bytes // 1000} kB; send the parts that count, or split it"
    return Refused("too_large", message, pointer([largest]))


def as_object(item: object) -> Mapping[str, Any]:
    if isinstance(item, dict):
        return item
    raise Refused("invalid_item", "is not a JSON object")


def read(model: type[M], item: Mapping[str, Any], prefix: str = "") -> M:
    """Read an item, ignoring fields we do not know. Raises Refused naming the first wrong field."""
    try:
        return cast("M", model.__pydantic_validator__.validate_python(item, extra="ignore"))
    except ValidationError as error:
        raise refused(error, prefix) from error


def refused(error: ValidationError, prefix: str = "") -> Refused:
    fault = fault_of(error, prefix)
    return Refused(fault.code, fault.message, fault.field)


def fault_of(error: ValidationError, prefix: str = "") -> Fault:
    """Return the first of pydantic's faults, without the offending value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    code = "missing_field" if first["type"] == "missing" else "invalid_field"
    return Fault(code, first["msg"], prefix + pointer(first["loc"]))


def pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def identified(given: Iterable[IdentifierIn], context: Context, field: str = "/identifiers") -> Identified:
    """Normalise an item's identifiers. Raises Refused naming the wrong one."""
    pairs = [(one.namespace, one.value, f"{field}/{place}/value") for place, one in enumerate(given)]
    return identify(context.secrets.blind, pairs, context.region)


def own_message_id(item: Mapping[str, Any]) -> str | None:
    """Return the message_id that an item names, if it is one."""
    found = item.get("message_id")
    return found if isinstance(found, str) and 0 < len(found) <= MESSAGE_ID_CHARS_MAX else None


def _holds_nul(document: object) -> bool:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and "\0" in value:
            return True
        if isinstance(value, Mapping):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return False
