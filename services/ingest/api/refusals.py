"""`/v1/refusals`: what was not accepted: see, open, correct, replay, discard; one, or many by a filter."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import orjson
from fastapi import Depends, Path, Query
from pydantic import TypeAdapter

from services.ingest.api.dependencies import IngestDep, Reader, Writer
from services.ingest.handlers.quality.resolving import Outcome
from services.ingest.schemas.refusals import (
    BulkDiscardIn,
    BulkOut,
    BulkReplayIn,
    CorrectionIn,
    DiscardedOut,
    DiscardIn,
    Moment,
    OpenedOut,
    PurposeIn,
    RefusalFilterIn,
    RefusalOut,
    ReplayIn,
    ResolvedOut,
)
from services.ingest.schemas.results import ResultOut
from services.ingest.store import refusals as store
from services.ingest.store.refusals import RefusalFilter
from shared.http.auth import requires
from shared.http.body import Router
from shared.http.pagination import Page, PageCursor, PageLimit, decode_cursor, next_cursor
from shared.keys import Caller

router = Router(prefix="/v1/refusals", tags=["refusals"])

Opener = Annotated[Caller, Depends(requires("pii:read"))]
RefusalId = Annotated[UUID, Path(description="as GET /v1/refusals lists it")]
_POSITION = TypeAdapter(tuple[datetime, UUID])


@router.get("")
async def list_refusals(  # noqa: PLR0913, PLR0917 (one argument per filter)
    ingest: IngestDep,
    caller: Reader,
    outcome: Annotated[Literal["refused", "conflict"] | None, Query(description="left out: both")] = None,
    code: Annotated[str | None, Query(max_length=64)] = None,
    source_id: Annotated[str | None, Query(max_length=128)] = None,
    kind: Annotated[str | None, Query(max_length=64, description="which route it came by")] = None,
    since: Annotated[Moment | None, Query(description="received then or later")] = None,
    until: Annotated[Moment | None, Query(description="received before")] = None,
    state: Annotated[
        Literal["open", "resolved"] | None, Query(description="open: nothing was done yet; left out: both")
    ] = None,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[RefusalOut]:
    """List what was not accepted, newest first; the inputs themselves are kept sealed.

    A key for some stores sees what came with such a key.
    """
    is_open = None if state is None else state == "open"
    own = caller.own_store_ids
    stores = None if own is None else tuple(sorted(own))
    wanted = RefusalFilter(outcome, code, source_id, kind, since, until, is_open, stores)
    filters = {"refusals": wanted.as_arguments()}
    found = await store.refusals_page(ingest.database, wanted, decode_cursor(cursor, filters, _POSITION), limit)
    items = [RefusalOut.model_validate(one) for one in found]
    position = (found[-1].received_at, found[-1].refusal_id) if found else ()
    return Page(items=items, next_cursor=next_cursor(items, limit, position, filters))


@router.get("/{refusal_id}")
async def get_refusal(refusal_id: RefusalId, ingest: IngestDep, caller: Reader) -> RefusalOut:
    """Show one refusal, and what was done about it."""
    return RefusalOut.model_validate(await ingest.resolver.seen_by(caller, refusal_id))


@router.post("/{refusal_id}:open")
async def open_one(refusal_id: RefusalId, asked: PurposeIn, ingest: IngestDep, caller: Opener) -> OpenedOut:
    """Show what was sent, for a stated purpose; who asked is recorded."""
    refusal, original = await ingest.resolver.opened(refusal_id, caller, asked.purpose)
    shown = RefusalOut.model_validate(refusal).model_dump()
    return OpenedOut(**shown, original=_shown(original), is_forgotten=original is None)


@router.post("/{refusal_id}:correct")
async def correct_one(refusal_id: RefusalId, asked: CorrectionIn, ingest: IngestDep, caller: Writer) -> ResolvedOut:
    """Send a corrected item in a refusal's place: same route, same source; the original stays as it came."""
    outcome = await ingest.resolver.correct(refusal_id, asked.item, caller, asked.note)
    return await _resolved(outcome, ingest)


@router.post("/{refusal_id}:replay")
async def replay_one(refusal_id: RefusalId, asked: ReplayIn, ingest: IngestDep, caller: Writer) -> ResolvedOut:
    """Send what was refused once more, after its cause was mended. Twice stores it once."""
    outcome = await ingest.resolver.replay_one(refusal_id, caller, as_new_epoch=asked.as_new_epoch)
    return await _resolved(outcome, ingest)


@router.post("/{refusal_id}:discard")
async def discard_one(refusal_id: RefusalId, asked: DiscardIn, ingest: IngestDep, caller: Writer) -> RefusalOut:
    """Say that nothing will be done about it, and why. What was resolved before stays as it is."""
    await ingest.resolver.discard([await ingest.resolver.named(refusal_id)], caller, asked.reason)
    return RefusalOut.model_validate(await ingest.resolver.named(refusal_id))


bulk = Router(tags=["refusals"])


@bulk.post("/v1/refusals:replay")
async def replay_many(asked: BulkReplayIn, ingest: IngestDep, caller: Writer) -> BulkOut:
    """Replay open refusals, oldest first, up to 500 a request; go on with `next_cursor`. Twice stores each once."""
    wanted = _wanted(asked.filter, "conflict" if asked.as_new_epoch else "refused")
    filters = {"replayed": wanted.as_arguments()}
    after = decode_cursor(asked.cursor, filters, _POSITION)
    found = await store.oldest_refusals(ingest.database, wanted, after, asked.limit)
    outcomes = await ingest.resolver.replay(found, caller, as_new_epoch=asked.as_new_epoch)
    became = Counter(_became(one) for one in outcomes)
    position = (found[-1].received_at, found[-1].refusal_id) if found else ()
    return BulkOut(
        looked_at=len(found),
        accepted=became["accepted"],
        repeated=became["repeat"],
        refused=became["refused"] + became["conflict"] + became["dropped"],
        left=became["left"],
        next_cursor=next_cursor(found, asked.limit, position, filters),
    )


@bulk.post("/v1/refusals:discard")
async def discard_many(asked: BulkDiscardIn, ingest: IngestDep, caller: Writer) -> DiscardedOut:
    """Discard open refusals, oldest first, up to 500 a request, for one reason."""
    found = await store.oldest_refusals(
        ingest.database, _wanted(asked.filter, asked.filter.outcome), None, asked.limit
    )
    return DiscardedOut(discarded=await ingest.resolver.discard(found, caller, asked.reason))


def _wanted(asked: RefusalFilterIn, outcome: Literal["refused", "conflict"] | None) -> RefusalFilter:
    return RefusalFilter(outcome, asked.code, asked.source_id, asked.kind, asked.since, asked.until, is_open=True)


def _became(outcome: Outcome) -> str:
    return "left" if outcome.result is None else outcome.result.status


async def _resolved(outcome: Outcome, ingest: IngestDep) -> ResolvedOut:
    refusal = await ingest.resolver.named(outcome.refusal.refusal_id)
    return ResolvedOut(
        refusal=RefusalOut.model_validate(refusal),
        result=None if outcome.result is None else ResultOut.model_validate(outcome.result),
        is_forgotten=outcome.is_forgotten,
    )


def _shown(original: bytes | None) -> object:
    if original is None:
        return None
    try:
        return orjson.loads(original)
    except orjson.JSONDecodeError:
        return original.decode("utf-8", "replace")
