"""`GET /v1/erasures/{erasure_id}/state`: how far this service is with an erasure; ingest asks until all are done."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from shared.customers.erasures import applied_erasure
from shared.db import Database
from shared.http.auth import depends, requires


class ErasureStateOut(BaseModel):
    """What of an erasure was applied here."""

    erasure_id: UUID
    subject_ids: list[UUID] = Field(description="subjects whose rows are gone or nobody's here")
    applied_at: datetime | None = Field(description="of the last of them; null: none yet")


router = APIRouter(tags=["privacy"], dependencies=[depends(requires("log:read"))])


@router.get("/v1/erasures/{erasure_id}/state", summary="How far this service is with an erasure")
async def erasure_state(
    request: Request, erasure_id: Annotated[UUID, Path(description="as ingest named it")]
) -> ErasureStateOut:
    """Say which subjects of an erasure were forgotten here. One that was never heard of has none."""
    database: Database = request.app.state.database
    applied = await applied_erasure(database, erasure_id)
    return ErasureStateOut(
        erasure_id=erasure_id, subject_ids=list(applied.subject_ids), applied_at=applied.applied_at
    )
