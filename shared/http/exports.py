"""`GET /v1/customers/{customer_id}/export`: all that this service holds of one customer, for ingest to gather."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from shared.customers.holdings import Holding, exported
from shared.db import Database
from shared.http.auth import requires
from shared.keys import Caller

log = structlog.get_logger()


class CustomerExportOut(BaseModel):
    """Rows by table, as they are stored."""

    customer_id: UUID
    tables: dict[str, list[dict[str, Any]]] = Field(description="tables that hold anything of the customer")
    truncated: list[str] = Field(description="tables of which only the first 20,000 rows are here")


def export_router(holdings: Mapping[str, Holding]) -> APIRouter:
    """Return the route over what the service declares to hold."""
    router = APIRouter(tags=["privacy"])

    @router.get("/v1/customers/{customer_id}/export", summary="All that this service holds of a customer")
    async def export_customer(
        request: Request,
        customer_id: Annotated[UUID, Path(description="a customer, or one of its subjects")],
        caller: Annotated[Caller, Depends(requires("pii:read"))],
        purpose: Annotated[
            str, Query(min_length=3, max_length=200, pattern=r"\S", description="what for; logged with your name")
        ],
    ) -> CustomerExportOut:
        """Return every row about the customer; ingest's `POST /v1/exports` gathers those of all services."""
        log.info("privacy.exported", customer_id=str(customer_id), actor=caller.actor, purpose=purpose)
        database: Database = request.app.state.database
        async with database.transaction(isolation="repeatable_read") as tx:
            found = await exported(tx, holdings, customer_id)
        return CustomerExportOut(
            customer_id=found.customer_id, tables=dict(found.tables), truncated=list(found.truncated)
        )

    return router
