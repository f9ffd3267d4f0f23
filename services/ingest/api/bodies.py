"""Reading bodies: JSON whatever the content type says, inflated within bounds, one item or many."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import Request

from services.ingest.api.limits import BODY_BYTES_MAX, ITEMS_MAX
from services.ingest.errors import MalformedBody, UnreadableItems
from shared.http.middleware import BodyTooLarge

_GZIP = b"\x1f\x8b"


async def document_of(request: Request) -> Any:  # noqa: ANN401 (any JSON document)
    """Return the body's JSON document. Raises MalformedBody, BodyTooLarge."""
    body = await request.body()
    if body.startswith(_GZIP) or request.headers.get("content-encoding", "").lower() == "gzip":
        body = inflated(body)
    return parsed(body)


def inflated(body: bytes) -> bytes:
    """Undo gzip, refusing what grows past the limit of a body. Raises MalformedBody, BodyTooLarge."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = stream.decompress(body, BODY_BYTES_MAX + 1)
    except zlib.error as error:
        raise MalformedBody("the body is not gzip, as its header says") from error
    if len(plain) > BODY_BYTES_MAX:
        raise BodyTooLarge(BODY_BYTES_MAX)
    if not stream.eof:
        raise MalformedBody("the gzip body is cut off")
    if stream.unused_data.strip(b"\0"):
        raise MalformedBody("something follows the gzip body; send one gzip stream")
    return plain


def parsed(body: bytes) -> Any:  # noqa: ANN401 (any JSON document)
    """Parse JSON. Raises MalformedBody.

    orjson is quick and strict; what it refuses is read once more by the standard parser, since half a surrogate
    pair in one event must not fail the good ones beside it: that item is refused by itself, later.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        strict = error
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise MalformedBody(f"the body is not JSON: {strict.msg} (character {strict.pos})") from None


def items_of(document: object, name: str, items_max: int = ITEMS_MAX) -> Sequence[Any]:
    """Return the items of a native body: one object, `{NAME: [...]}`, or a bare list. Raises UnreadableItems."""
    if isinstance(document, Mapping) and name not in document:
        return [document]
    items = document[name] if isinstance(document, Mapping) else document
    if not isinstance(items, list):
        raise UnreadableItems(f'send one object, or {{"{name}": [...]}}', field=f"/{name}")
    if not items:
        raise UnreadableItems("is empty; send at least one", field=f"/{name}")
    if len(items) > items_max:
        raise UnreadableItems(f"holds {len(items)}, at most {items_max} are taken at once", field=f"/{name}")
    return items


def _no_constant(name: str) -> None:
    raise ValueError(name)
