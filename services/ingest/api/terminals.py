"""`/v1/terminals`: which receipts have not come, by the tills' own numbers."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import TypeAdapter

from services.ingest.api.dependencies import IngestDep, Reader
from services.ingest.handlers.tills.completeness import CountedRun, gaps_of, visible_stores
from services.ingest.schemas.terminals import ClockOut, GapOut, GapsOut, RunOut, TerminalOut
from services.ingest.store import clocks, terminals
from shared.http.pagination import Page, PageCursor, PageLimit, decode_cursor, next_cursor

router = APIRouter(prefix="/v1/terminals", tags=["terminals"])

_POSITION = TypeAdapter(tuple[str, str])

BusinessDate = Annotated[date, Query(description="the store's business day")]
AnId = Annotated[str, Path(min_length=1, max_length=128)]


@router.get("")
async def list_terminals(  # noqa: PLR0913, PLR0917 - one parameter per filter
    ingest: IngestDep,
    caller: Reader,
    business_date: BusinessDate,
    store_id: Annotated[str | None, Query(max_length=128, description="left out: all that the key may see")] = None,
    with_gaps: Annotated[bool, Query(description="only those with numbers that have not come")] = False,  # noqa: FBT002
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[TerminalOut]:
    """List the terminals that sent something for a business day, by store and terminal."""
    filters = {"business_date": business_date, "store_id": store_id, "with_gaps": with_gaps}
    wanted = terminals.Wanted(business_date, visible_stores(caller, store_id), with_gaps)
    after = decode_cursor(cursor, filters, _POSITION)
    found = await terminals.terminals_page(ingest.database, wanted, after, limit)
    items = [TerminalOut.model_validate(one) for one in found]
    position = (found[-1].store_id, found[-1].terminal_id) if found else ()
    return Page(items=items, next_cursor=next_cursor(items, limit, position, filters))


@router.get("/clocks")
async def list_clocks(
    ingest: IngestDep,
    caller: Reader,
    implausible: Annotated[bool, Query(description="only those that are half an hour off or more")] = False,  # noqa: FBT002
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[ClockOut]:
    """List the terminals' clocks, by store and terminal, as far as what they sent tells."""
    filters = {"implausible": implausible}
    after = decode_cursor(cursor, filters, _POSITION)
    stores = visible_stores(caller, None)
    found = await clocks.clocks_page(ingest.database, stores, after, limit, implausible=implausible)
    items = [ClockOut.model_validate(one) for one in found]
    position = (found[-1].store_id, found[-1].terminal_id) if found else ()
    return Page(items=items, next_cursor=next_cursor(items, limit, position, filters))


@router.get("/{store_id}/{terminal_id}/gaps")
async def list_gaps(
    ingest: IngestDep, caller: Reader, store_id: AnId, terminal_id: AnId, business_date: BusinessDate
) -> GapsOut:
    """Say which numbers of a terminal's day have not come; what was refused stands in `/v1/refusals`."""
    found = await gaps_of(ingest.database, caller, (store_id, terminal_id, business_date))
    since = found.since_day_before
    return GapsOut(
        store_id=store_id,
        terminal_id=terminal_id,
        business_date=business_date,
        runs=[_shown(run) for run in found.runs],
        since_day_before=None if since is None else GapOut(first=since[0], last=since[1]),
    )


def _shown(run: CountedRun) -> RunOut:
    return RunOut(
        sequence_epoch=run.sequence_epoch,
        first_number=run.first_number,
        last_number=run.last_number,
        received=run.received,
        missing=run.missing,
        gaps=[GapOut(first=first, last=last) for first, last in run.gaps],
        is_complete=run.is_complete,
    )
