"""`/v1/sources/{id}/plan` and `/violations`: what a source should send, and what it sends instead."""

from datetime import datetime
from typing import Annotated

from fastapi import Body
from pydantic import TypeAdapter

from services.ingest.api.dependencies import Admin, IngestDep, Reader
from services.ingest.api.sources import SourceId
from services.ingest.handlers.sources import registering
from services.ingest.schemas.sources import PLAN_EXAMPLE, PlanIn, PlanOut, ViolationOut
from services.ingest.store import figures
from services.ingest.store.sources import PlanRow
from shared.http.body import Router
from shared.http.pagination import Page, PageCursor, PageLimit, decode_cursor, next_cursor

router = Router(prefix="/v1/sources/{source_id}", tags=["sources"])

_POSITION = TypeAdapter(tuple[datetime, str, str, str])


@router.get("/plan")
async def get_plan(source_id: SourceId, ingest: IngestDep, _caller: Reader) -> PlanOut:
    """Show a source's tracking plan."""
    return _shown(await registering.plan_of(ingest.database, source_id))


@router.put("/plan")
async def put_plan(
    source_id: SourceId, asked: Annotated[PlanIn, Body(examples=[PLAN_EXAMPLE])], ingest: IngestDep, caller: Admin
) -> PlanOut:
    """Set a source's tracking plan; it holds within a second everywhere. Violations counted before stay listed."""
    plan = asked.model_dump(mode="json", by_alias=True)
    row = await registering.put_plan(ingest.database, source_id, plan, ingest.clock.now(), caller.actor)
    ingest.sources.forget()
    return _shown(row)


@router.delete("/plan", status_code=204)
async def delete_plan(source_id: SourceId, ingest: IngestDep, _caller: Admin) -> None:
    """Take everything that the source sends again."""
    await registering.delete_plan(ingest.database, source_id)
    ingest.sources.forget()


@router.get("/violations")
async def list_violations(
    source_id: SourceId, ingest: IngestDep, _caller: Reader, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[ViolationOut]:
    """List how the source's events differ from its plan, the latest first; nothing of a person is in it."""
    await ingest.tally.flush()
    filters = {"violations": source_id}
    after = decode_cursor(cursor, filters, _POSITION)
    found = await figures.violations_page(ingest.database, source_id, after, limit)
    items = [ViolationOut.model_validate(one) for one in found]
    last = found[-1] if found else None
    position = () if last is None else (last.last_at, last.event, last.rule, last.path)
    return Page(items=items, next_cursor=next_cursor(items, limit, position, filters))


@router.delete("/violations", status_code=204)
async def forget_violations(source_id: SourceId, ingest: IngestDep, _caller: Admin) -> None:
    """Begin the list anew, after the sender or the plan was mended."""
    await ingest.tally.flush()
    async with ingest.database.transaction() as tx:
        await figures.forget_violations(tx, source_id)


def _shown(row: PlanRow) -> PlanOut:
    return PlanOut.model_validate(
        {
            **row.plan,
            "source_id": row.source_id,
            "version": row.version,
            "changed_at": row.changed_at,
            "changed_by": row.changed_by,
        }
    )
