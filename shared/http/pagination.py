"""Pages of a list: an opaque cursor that holds the last position and belongs to one set of filters."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Query
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from shared.errors import InvalidInput

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200
CURSOR_CHARS_MAX = 2000
_DIGEST_BYTES = 8

ItemT = TypeVar("ItemT")
PositionT = TypeVar("PositionT", bound=tuple[Any, ...])

PageLimit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description=f"items per page, at most {PAGE_SIZE_MAX}")]
PageCursor = Annotated[
    str | None,
    Query(max_length=CURSOR_CHARS_MAX, description="next_cursor of the page before, with the same filters"),
]


class Page(BaseModel, Generic[ItemT]):
    """One page of a list."""

    items: list[ItemT]
    next_cursor: str | None = Field(description="ask for the next page with it; null on the last page")


class BadCursor(InvalidInput):
    code = "invalid_cursor"

    def __init__(self, message: str) -> None:
        super().__init__(message, field="cursor")


def encode_cursor(position: Sequence[object], filters: Mapping[str, object]) -> str:
    """Return the cursor that continues after `position`: the sort values of the last item shown."""
    payload = orjson.dumps(list(position), default=str)
    return base64.urlsafe_b64encode(_bound(payload, filters) + payload).decode().rstrip("=")


def decode_cursor(
    cursor: str | None, filters: Mapping[str, object], position: TypeAdapter[PositionT]
) -> PositionT | None:
    """Return the cursor's position as the type that `position` reads, None for the first page.

    `position` is made once, beside the query: `TypeAdapter(tuple[datetime, UUID])`.

    Raises `InvalidInput` naming `cursor` when `encode_cursor` did not make it, or made it for other filters.
    The digest detects mistakes and is no secret: a position gives no access that the filters do not.
    """
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadCursor("this is no cursor of ours") from None
    payload = raw[_DIGEST_BYTES:]
    if raw[:_DIGEST_BYTES] != _bound(payload, filters):
        raise BadCursor("this cursor belongs to other filters, or is damaged; start again without it")
    try:
        return position.validate_json(payload)
    except ValidationError:
        raise BadCursor("this cursor belongs to another list; start again without it") from None


def next_cursor(
    items: Sequence[object], limit: int, last_position: Sequence[object], filters: Mapping[str, object]
) -> str | None:
    """Return the next page's cursor, None when fewer than `limit` items were found."""
    return encode_cursor(last_position, filters) if len(items) >= limit else None


def _bound(payload: bytes, filters: Mapping[str, object]) -> bytes:
    canonical = orjson.dumps(dict(filters), default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical + b"\0" + payload).digest()[:_DIGEST_BYTES]
