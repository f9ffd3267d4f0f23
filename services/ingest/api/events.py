"""`GET /v1/events/{message_id}`: where is my event."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from services.ingest.api.dependencies import IngestDep, Reader
from services.ingest.handlers.accepting.finding import find_event
from services.ingest.schemas.events import EventOut
from services.ingest.schemas.imports import FILES

router = APIRouter(tags=["events"])


@router.get("/v1/events/{message_id}")
async def where_is(
    ingest: IngestDep,
    caller: Reader,
    message_id: Annotated[str, Path(min_length=1, max_length=128)],
    source: Annotated[str | None, Query(max_length=128, description="who sent it; left out: any source")] = None,
) -> EventOut:
    """Say where an event is: by its own message number, or by the message_id that its result named."""
    sources = [source] if source is not None else [caller.key_id, FILES, *await ingest.sources.ids()]
    found = await find_event(ingest.database, ingest.secrets, message_id, sources, caller)
    return EventOut.model_validate(found, from_attributes=True)
