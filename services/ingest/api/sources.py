"""`/v1/sources`: who may send through the clients' routes."""

from typing import Annotated

from fastapi import Path

from services.ingest.api.dependencies import Admin, IngestDep
from services.ingest.handlers import registering
from services.ingest.schemas.sources import SourceIn, SourceMade, SourceOut, SourcesOut
from shared.http.body import Router

router = Router(prefix="/v1/sources", tags=["sources"])


@router.get("")
async def list_sources(ingest: IngestDep, _caller: Admin) -> SourcesOut:
    """List all sources; their keys are stored hashed and shown to nobody."""
    rows = await registering.list_sources(ingest.database)
    return SourcesOut(sources=[SourceOut.model_validate(row) for row in rows])


@router.post("", status_code=201)
async def create_source(asked: SourceIn, ingest: IngestDep, _caller: Admin) -> SourceMade:
    """Make a source; its write key is in this answer and nowhere else."""
    source_id, write_key = await registering.create_source(ingest.database, asked.kind, asked.id, asked.name)
    ingest.sources.forget()
    return SourceMade(source_id=source_id, kind=asked.kind, write_key=write_key)


@router.post("/{source_id}:disable", status_code=204)
async def disable_source(source_id: Annotated[str, Path(max_length=64)], ingest: IngestDep, _caller: Admin) -> None:
    """Refuse everything that the source sends from now on."""
    await registering.disable_source(ingest.database, source_id, ingest.clock.now())
    ingest.sources.forget()
