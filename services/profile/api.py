"""The routes of the profile service: parse, call, map."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from pydantic import TypeAdapter

from services.profile.clients import Relations
from services.profile.domain.profile import AsOf, Chain
from services.profile.domain.segments import BY_ID, SEGMENTS
from services.profile.domain.transitions import segment_kind
from services.profile.errors import CustomerNotFound, SegmentNotFound, StoreNotFound, StoreNotServed
from services.profile.handlers import profiles
from services.profile.schemas import (
    BatchIn,
    BatchOut,
    ConsentOut,
    CustomerConsentsOut,
    CustomerOut,
    CustomerRelationsOut,
    CustomerSegmentsOut,
    CustomerTagsOut,
    LookupIn,
    MemberOut,
    MetricsOut,
    MomentOut,
    RelationOut,
    RfmCellOut,
    RfmOverviewOut,
    SegmentOut,
    SegmentsOut,
    StoreOut,
    TagsIn,
    figures_out,
)
from services.profile.store import customers, segments
from shared.clock import Clock
from shared.customers.resolver import SubjectResolver
from shared.db import Database
from shared.http.auth import depends, requires
from shared.http.body import Router
from shared.http.direct import DirectRoutes, body_in
from shared.http.pagination import (
    PAGE_SIZE_DEFAULT,
    Page,
    PageCursor,
    PageLimit,
    decode_cursor,
    next_cursor,
)
from shared.keys import Caller

READS = requires("profile:read")
READ = depends(READS)
Reader = Annotated[Caller, Depends(READS)]
Writer = Annotated[Caller, Depends(requires("profile:write"))]
CustomerId = Annotated[UUID, Path(description="a customer, one of its subjects, or whom it absorbed")]
ThingId = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]
Language = Annotated[Literal["en", "zh"], Query(description="of the field in_words")]

_MOMENT = TypeAdapter(tuple[datetime, UUID])
_MEMBER = TypeAdapter(tuple[UUID])

router = Router(prefix="/v1", tags=["profile"])


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _now(request: Request) -> datetime:
    clock: Clock = request.app.state.clock
    return clock.now()


async def _as_of(request: Request) -> AsOf:
    settings = request.app.state.settings
    return AsOf(Chain(settings.currency, settings.time_zone), await _now(request))


async def _resolver(request: Request) -> SubjectResolver:
    resolver: SubjectResolver = request.app.state.resolver
    return resolver


async def _relations(request: Request) -> Relations:
    relations: Relations = request.app.state.relations
    return relations


Db = Annotated[Database, Depends(_database)]
Now = Annotated[datetime, Depends(_now)]
Resolver = Annotated[SubjectResolver, Depends(_resolver)]
Relatives = Annotated[Relations, Depends(_relations)]
Present = Annotated[AsOf, Depends(_as_of)]


@router.get("/customers/{customer_id}", dependencies=[READ], summary="A customer as known now")
async def get_customer(
    customer_id: CustomerId, database: Db, as_of: Present, language: Language = "en"
) -> CustomerOut:
    return CustomerOut.of(await profiles.profile_of(database, customer_id, as_of), language)


@router.post(
    "/customers:lookup",
    dependencies=[READ],
    response_model=CustomerOut,
    summary="A customer by an identifier, such as a loyalty card or phone number",
)
async def look_up_customer(
    asked: LookupIn, resolver: Resolver, database: Db, as_of: Present, language: Language = "en"
) -> Response:
    subject_id = await resolver.subject_of(asked.namespace, asked.value)
    try:
        found = await profiles.profile_of(database, subject_id, as_of)
    except CustomerNotFound as unknown:
        raise CustomerNotFound("no customer has this identifier") from unknown
    return Response(CustomerOut.of(found, language).model_dump_json(), media_type="application/json")


async def _look_up_directly(request: Request) -> Response:
    """Look up in English; another language is asked for in the query, and goes the long way."""
    await READS(request)
    asked = await body_in(request, LookupIn)
    return await look_up_customer(asked, await _resolver(request), await _database(request), await _as_of(request))


def direct_routes() -> DirectRoutes:
    """Return what a till waits for, for the front of the application's routes."""
    return DirectRoutes({"/v1/customers:lookup": _look_up_directly}, with_query=False)


@router.post("/customers:batch", dependencies=[READ], summary="Several customers at once")
async def get_customers(asked: BatchIn, database: Db, as_of: Present, language: Language = "en") -> BatchOut:
    found = await profiles.profiles_of(database, asked.customer_ids, as_of)
    distinct = {found[asked_id].customer_id: found[asked_id] for asked_id in asked.customer_ids if asked_id in found}
    return BatchOut(
        customers=[CustomerOut.of(profile, language) for profile in distinct.values()],
        missing=[asked_id for asked_id in dict.fromkeys(asked.customer_ids) if asked_id not in found],
    )


@router.get("/customers/{customer_id}/timeline", dependencies=[READ], summary="What happened, the latest first")
async def get_timeline(
    customer_id: CustomerId, database: Db, limit: PageLimit = PAGE_SIZE_DEFAULT, cursor: PageCursor = None
) -> Page[MomentOut]:
    filters = {"list": "timeline", "customer_id": customer_id}
    before = decode_cursor(cursor, filters, _MOMENT)
    async with database.transaction(isolation="repeatable_read") as tx:
        _, subject_ids = await profiles.subjects_of_customer(tx, customer_id)
        rows = await customers.timeline(tx, subject_ids, before, limit)
    items = [MomentOut(**row) for row in rows]
    last = (items[-1].occurred_at, items[-1].id) if items else ()
    return Page(items=items, next_cursor=next_cursor(items, limit, last, filters))


@router.get("/customers/{customer_id}/segments", dependencies=[READ], summary="Which segments a customer is in now")
async def get_customer_segments(customer_id: CustomerId, database: Db, as_of: Present) -> CustomerSegmentsOut:
    profile = await profiles.profile_of(database, customer_id, as_of)
    return CustomerSegmentsOut(
        customer_id=profile.customer_id,
        lifecycle=profile.standing.life.stage,
        segments=list(profile.standing.segments),
        as_of=profile.as_of,
    )


@router.get("/customers/{customer_id}/consents", dependencies=[READ], summary="What a customer allows")
async def get_customer_consents(customer_id: CustomerId, database: Db) -> CustomerConsentsOut:
    found_id, consents = await profiles.consents_of(database, customer_id)
    return CustomerConsentsOut(customer_id=found_id, consents=[ConsentOut.of(consent) for consent in consents])


@router.get("/customers/{customer_id}/relations", dependencies=[READ], summary="Who belongs together with a customer")
async def get_customer_relations(customer_id: CustomerId, database: Db, relations: Relatives) -> CustomerRelationsOut:
    """List a customer's household and family, each with figures of their own; ingest keeps who they are."""
    async with database.transaction() as tx:
        found_id, _ = await profiles.subjects_of_customer(tx, customer_id)
    relatives = await relations.relatives_of(found_id)
    return CustomerRelationsOut(
        customer_id=found_id, relations=[RelationOut.model_validate(one) for one in relatives]
    )


@router.put("/customers/{customer_id}/tags", summary="Replace a customer's tags")
async def put_tags(
    customer_id: CustomerId, wanted: TagsIn, caller: Writer, database: Db, now: Now
) -> CustomerTagsOut:
    found_id, tags = await profiles.set_tags(database, customer_id, wanted.tags, caller.actor, now)
    return CustomerTagsOut(customer_id=found_id, tags=tags)


@router.get("/segments", dependencies=[READ], summary="All segments and how many customers each holds")
async def list_segments(database: Db) -> SegmentsOut:
    async with database.session() as session:
        counts = await segments.member_counts(session)
    return SegmentsOut(segments=[SegmentOut.of(each, counts.get(segment_kind(each.id), 0)) for each in SEGMENTS])


@router.get("/segments/{segment_id}/members", dependencies=[READ], summary="A segment's customers, as last refreshed")
async def list_members(
    segment_id: ThingId, database: Db, limit: PageLimit = PAGE_SIZE_DEFAULT, cursor: PageCursor = None
) -> Page[MemberOut]:
    if segment_id not in BY_ID:
        raise SegmentNotFound("no segment has this id; GET /v1/segments lists them")
    filters = {"list": "members", "segment_id": segment_id}
    after = decode_cursor(cursor, filters, _MEMBER)
    async with database.session() as session:
        rows = await segments.members(session, segment_kind(segment_id), after[0] if after else None, limit)
    items = [MemberOut(customer_id=row["customer_id"], since=row["at"]) for row in rows]
    last = (items[-1].customer_id,) if items else ()
    return Page(items=items, next_cursor=next_cursor(items, limit, last, filters))


@router.get("/stores/{store_id}", summary="A store and its totals")
async def get_store(store_id: ThingId, caller: Reader, database: Db) -> StoreOut:
    if not caller.serves_store(store_id):
        raise StoreNotServed("this key is for other stores")
    async with database.transaction(isolation="repeatable_read") as tx:
        described = await segments.store_described(tx, store_id)
        figures = await segments.store_figures(tx, store_id)
    if described is None and not figures:
        raise StoreNotFound("no receipt and no catalogue entry names this store")
    return StoreOut(
        store_id=store_id,
        name=described["name"] if described else None,
        area=described["area"] if described else None,
        city=described["city"] if described else None,
        time_zone=described["time_zone"] if described else None,
        totals=[figures_out(row) for row in figures],
    )


@router.get("/metrics", dependencies=[READ], summary="The chain at a glance: figures, stages, segments, RFM")
async def get_metrics(database: Db, now: Now) -> MetricsOut:
    async with database.transaction(isolation="repeatable_read") as tx:
        stages = await segments.stage_counts(tx)
        counts = await segments.member_counts(tx)
        cells = await segments.cell_counts(tx)
        bounds = await customers.bounds_by_currency(tx)
        figures = await segments.store_figures(tx, None)
    return MetricsOut(
        as_of=now,
        customers=sum(stages.values()),
        lifecycle=stages,
        segments={each.id: counts.get(segment_kind(each.id), 0) for each in SEGMENTS},
        totals=[figures_out(row) for row in figures],
        rfm_bounds=[
            RfmOverviewOut(
                currency=each.currency,
                as_of=each.as_of,
                recency_days=list(each.recency_days),
                frequency=list(each.frequency),
                monetary_minor=list(each.monetary_minor),
            )
            for each in bounds.values()
        ],
        rfm_cells=[RfmCellOut(cell=cell, customers=count) for cell, count in cells.items()],
    )
