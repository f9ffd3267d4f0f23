"""`GET /v1/events/{message_id}` and `GET /v1/refusals`: where is my event, and what was not accepted."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import TypeAdapter

from services.ingest.api.dependencies import IngestDep, Reader
from services.ingest.handlers.finding import find_event
from services.ingest.schemas.events import EventOut, RefusalOut
from services.ingest.schemas.imports import FILES
from services.ingest.store import kept
from shared.http.pagination import Page, PageCursor, PageLimit, decode_cursor, next_cursor

router = APIRouter(tags=["events"])

_POSITION = TypeAdapter(tuple[datetime, UUID])


@router.get("/v1/events/{message_id}")
async def where_is(
    ingest: IngestDep,
    caller: Reader,
    message_id: Annotated[str, Path(min_length=1, max_length=128)],
    source: Annotated[str | None, Query(max_length=128, description="who sent it; left out: any source")] = None,
) -> EventOut:
    """Say where an event is: by its own message number, or by the message_id that its result named."""
    sources = [source] if source is not None else [caller.key_id, FILES, *await ingest.sources.ids()]
    found = await find_event(ingest.database, ingest.secrets, message_id, sources)
    return EventOut.model_validate(found, from_attributes=True)


@router.get("/v1/refusals")
async def list_refusals(
    ingest: IngestDep,
    _caller: Reader,
    outcome: Annotated[Literal["refused", "conflict"] | None, Query(description="left out: both")] = None,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[RefusalOut]:
    """List what was not accepted, newest first; the inputs themselves are kept sealed."""
    filters = {"outcome": outcome}
    after = decode_cursor(cursor, filters, _POSITION)
    found = await kept.refusals_page(ingest.database, outcome, after, limit)
    items = [RefusalOut.model_validate(one, from_attributes=True) for one in found]
    position = (found[-1].received_at, found[-1].refusal_id) if found else ()
    return Page(items=items, next_cursor=next_cursor(items, limit, position, filters))
