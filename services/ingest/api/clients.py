"""The routes of analytics clients (Segment's and RudderStack's), with unmodified clients in mind.

They authenticate by write key, in Basic auth, in the body or in the query; send JSON under any content type, gzip
with or without saying so; take exactly 200 for success; and never retry an error that holds `code` and `message`.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from services.ingest.api.answers import answer, body_of
from services.ingest.api.bodies import document_of
from services.ingest.api.dependencies import Ingest, IngestDep, ingest_of
from services.ingest.api.limits import CLIENT_ITEMS_MAX
from services.ingest.domain.sources import Source
from services.ingest.errors import MalformedBody, SourceDisabled, UnknownWriteKey
from services.ingest.mapping.messages import message_id_of
from services.ingest.mapping.reading import draft_each
from services.ingest.mapping.segment import draft_message
from services.ingest.schemas.clients import BatchIn, MessageIn, SettingsOut
from services.ingest.schemas.results import ClientResultsOut
from shared.http.auth import public
from shared.http.direct import Endpoint
from shared.keys import WRITE_PREFIX, verify_checksum

router = APIRouter(tags=["clients"], dependencies=[Depends(public("guarded by the source's write key"))])

_TYPES = ("track", "identify", "page", "screen", "group", "alias")
Taking = Callable[[Request, Ingest], Awaitable[Response]]
_SHARED_WITH_BATCH = ("context", "integrations", "sentAt")


async def take_batch(request: Request, ingest: IngestDep) -> Response:
    """Take a batch of messages; each is judged alone, one bad message never fails the others."""
    document = _object(await document_of(request))
    source = await _source(request, document, ingest)
    batch = document.get("batch")
    if not isinstance(batch, list):
        raise MalformedBody('a batch is {"batch": [...]}', field="/batch")
    if not batch:
        raise MalformedBody("the batch is empty", field="/batch")
    if len(batch) > CLIENT_ITEMS_MAX:
        raise MalformedBody(f"a batch holds at most {CLIENT_ITEMS_MAX} messages", field="/batch")
    return await _accept([_completed(item, document) for item in batch], source, request, ingest)


def _taking(message_type: str) -> Taking:
    async def take(request: Request, ingest: IngestDep) -> Response:
        document = _object(await document_of(request))
        source = await _source(request, document, ingest)
        return await _accept([{**document, "type": message_type}], source, request, ingest)

    take.__doc__ = f"Take one message of type {message_type}."
    return take


_taken: dict[str, Taking] = dict.fromkeys(("/v1/batch", "/v1/b", "/beacon/v1/batch"), take_batch)
for _path in _taken:
    router.add_api_route(
        _path, take_batch, methods=["POST"], response_model=ClientResultsOut, openapi_extra=body_of(BatchIn)
    )
for _type in _TYPES:
    _take = _taking(_type)
    for _path in (f"/v1/{_type}", f"/v1/{_type[0]}"):
        _taken[_path] = _take
        router.add_api_route(
            _path,
            _take,
            methods=["POST"],
            openapi_extra=body_of(MessageIn),
            response_model=ClientResultsOut,
            name=f"take_{_type}",
        )


@router.get("/v1/projects/{write_key}/settings")
async def settings_of_project(write_key: str, ingest: IngestDep) -> SettingsOut:
    """Tell a browser's client where to send; it asks for this when it starts."""
    await _held_by(write_key, ingest)
    return SettingsOut.for_key(write_key)


def _directly(take: Taking) -> Endpoint:
    async def taken(request: Request) -> Response:
        return await take(request, await ingest_of(request))

    return taken


DIRECT: Mapping[str, Endpoint] = {path: _directly(take) for path, take in _taken.items()}


async def _accept(items: list[Any], source: Source, request: Request, ingest: Ingest) -> Response:
    await ingest.admit(source, len(items))
    context = await ingest.context_of(source, None, items)
    if not source.kind.is_secret:
        # A server's user agent is its library's: only a page's or an app's is the device's own.
        context = replace(context, user_agent=request.headers.get("user-agent"))
    inputs = draft_each(items, "messages", context, draft_message, message_id_of)
    return answer(await ingest.acceptor.accept(inputs), success=True)


def _object(document: object) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise MalformedBody("the body is not a JSON object")
    return document


def _completed(item: object, batch: Mapping[str, Any]) -> object:
    """Give a message what its batch says for all of them."""
    if not isinstance(item, dict):
        return item
    inherited = {name: batch[name] for name in _SHARED_WITH_BATCH if name in batch and name not in item}
    return {**inherited, **item} if inherited else item


async def _source(request: Request, document: Mapping[str, Any], ingest: Ingest) -> Source:
    return await _held_by(_write_key(request, document), ingest)


async def _held_by(write_key: str | None, ingest: Ingest) -> Source:
    """Return the source of a write key. Raises UnknownWriteKey, SourceDisabled."""
    if not write_key:
        raise UnknownWriteKey("a write key is needed: as Basic auth's user, or writeKey in the body or query")
    source = await ingest.sources.holder(write_key)
    if source is None:
        mistyped = write_key.startswith(WRITE_PREFIX) and not verify_checksum(write_key, WRITE_PREFIX)
        more = ": it is mistyped or cut off" if mistyped else ", or no longer holds"
        raise UnknownWriteKey(f"this write key is not known here{more}")
    if source.disabled_at is not None:
        raise SourceDisabled("this source was disabled; ask for a new write key")
    return source


def _write_key(request: Request, document: Mapping[str, Any]) -> str | None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        named = _basic_user(credentials)
        if named:
            return named
    said = document.get("writeKey")
    return said if isinstance(said, str) and said else request.query_params.get("writeKey")


def _basic_user(credentials: str) -> str | None:
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode("utf-8").partition(":")[0]
    except ValueError:
        return None
