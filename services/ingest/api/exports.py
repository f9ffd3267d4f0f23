"""`/v1/exports`: all that is held of a customer, for the customer."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path

from services.ingest.api.dependencies import IngestDep
from services.ingest.api.erasures import person_meant
from services.ingest.handlers.privacy import exporting
from services.ingest.schemas.exports import ExportIn, ExportOut
from services.ingest.store.exports import Export
from shared.http.auth import requires
from shared.http.body import Router
from shared.keys import Caller

router = Router(prefix="/v1/exports", tags=["privacy"])

Exporter = Annotated[Caller, Depends(requires("privacy:write"))]


@router.post("", status_code=202, summary="Gather all that is held of a customer")
async def request_export(asked: ExportIn, ingest: IngestDep, caller: Exporter) -> ExportOut:
    """Queue the export; `GET /v1/exports/{export_id}` has the document once every service has answered."""
    customer_id = await person_meant(asked.customer_id, asked.identifier, ingest)
    async with ingest.database.transaction() as tx:
        made = await exporting.request_export(tx, customer_id, asked.purpose, caller, ingest.clock.now())
    return _shown(made, None)


@router.get("/{export_id}", summary="An export and its document")
async def get_export(
    export_id: Annotated[UUID, Path(description="as the request's answer named it")],
    ingest: IngestDep,
    _caller: Exporter,
) -> ExportOut:
    """Return the document once it is made; 404 after seven days, and once the customer was erased."""
    found, document = await exporting.find_export(ingest.database, ingest.vault, export_id)
    return _shown(found, document)


def _shown(export: Export, document: dict[str, Any] | None) -> ExportOut:
    return ExportOut(
        export_id=export.export_id,
        customer_id=export.customer_id,
        state="pending" if document is None else "made",
        requested_at=export.requested_at,
        made_at=export.made_at,
        expires_at=export.expires_at,
        document=document,
    )
