"""The routes of the recommend service: parse, call, map."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import Body, Depends, Header, Path, Query, Request, Response
from pydantic import ValidationError

from services.recommend.domain.placements import PlacementSettings, plain_settings
from services.recommend.domain.reasons import Language
from services.recommend.domain.requests import MAX_LIMIT, Filters, Placement
from services.recommend.domain.wishes import Person, Place, Wish
from services.recommend.errors import PlacementNotFound, StoreNotServed
from services.recommend.handlers import activity, models
from services.recommend.handlers.activity import Reported
from services.recommend.handlers.answers import Answered, Desk
from services.recommend.rendering import answer_json, page_json
from services.recommend.schemas.asking import BatchIn, ContextIn, RecommendIn
from services.recommend.schemas.lists import FEEDBACK_MAX, BatchOut, GorseFeedback, GorseItem, RecommendOut
from services.recommend.schemas.models import (
    CHANGES_SHOWN,
    ChangeOut,
    ModelOut,
    ModelsOut,
    PromotedOut,
    RollbackIn,
    ShadowedOut,
    ShadowIn,
    ShadowOut,
    TrainingOut,
)
from services.recommend.schemas.placements import PlacementOut, PlacementSettingsIn, PlacementsOut
from services.recommend.schemas.reporting import EventIn, EventResult, EventsIn, EventsOut
from services.recommend.serving.languages import preferred
from shared.clock import Clock
from shared.db import Database
from shared.http.auth import depends, requires
from shared.http.body import Router
from shared.http.direct import DirectRoutes, Endpoint, body_in
from shared.http.problem import validation_item
from shared.keys import Caller
from shared.registry import By, Registry

READS = requires("recommend:read")
READ = depends(READS)
ADMIN = depends(requires("recommend:admin"))
Reader = Annotated[Caller, Depends(requires("recommend:read"))]
Admin = Annotated[Caller, Depends(requires("recommend:admin"))]
GORSE = depends(requires("recommend:read", accept_api_key_header=True))
PlacementName = Annotated[str, Path(min_length=1, max_length=64)]
ThingId = Annotated[str, Path(min_length=1, max_length=128)]
Count = Annotated[int, Query(ge=1, le=MAX_LIMIT)]

ABOUT: dict[Placement, tuple[str, bool]] = {
    Placement.FOR_YOU: ("what the customer is likely to buy next, usual and new", False),
    Placement.BUY_AGAIN: ("the customer's own products, in the order in which they are needed again", False),
    Placement.DISCOVER: ("products the customer has never bought", False),
    Placement.SIMILAR: ("products like those in context.items", True),
    Placement.BOUGHT_TOGETHER: ("what others buy together with context.items", True),
    Placement.BASKET: ("what completes the open basket in context.items, for this customer", True),
    Placement.SUBSTITUTES: ("what can stand in for context.items: same type, near in size and price tier", True),
    Placement.CAMPAIGN: ("what the customer's own coupons are for, what saves them most first", False),
    Placement.TRENDING: ("what is bought more than usual this week", False),
}

router = Router(prefix="/v1", tags=["recommend"])
aliases = Router(prefix="/api", tags=["Gorse-compatible"], dependencies=[GORSE])


async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry


async def _now(request: Request) -> datetime:
    clock: Clock = request.app.state.clock
    return clock.now()


async def _language(accept_language: Annotated[str, Header()] = "") -> Language:
    return preferred(accept_language)


AtDesk = Annotated[Desk, Depends(_desk)]
Db = Annotated[Database, Depends(_database)]
Models = Annotated[Registry, Depends(_registry)]
Now = Annotated[datetime, Depends(_now)]
Spoken = Annotated[Language, Depends(_language)]


def place_of(context: ContextIn, caller: Caller, language: Language) -> Place:
    if context.store_id is not None and not caller.serves_store(context.store_id):
        raise StoreNotServed("this key is for other stores", field="/context/store_id")
    return Place(context.store_id, context.channel, context.now, language, context.customer_age)


@router.post(
    "/recommendations/{placement}",
    response_model=RecommendOut,
    summary="One list of products, never empty while one may be shown",
)
async def recommend(
    placement: PlacementName, asked: RecommendIn, caller: Reader, desk: AtDesk, language: Spoken
) -> Response:
    return await _recommended(placement_named(placement), asked, caller, desk, language)


@router.post("/recommendations:batch", response_model=BatchOut, summary="The lists of one page, no product twice")
async def recommend_page(asked: BatchIn, caller: Reader, desk: AtDesk, language: Spoken) -> Response:
    wishes = [
        wish.wish_for(wish.placement, asked.context.items if wish.items is None else wish.items)
        for wish in asked.placements
    ]
    answered = await desk.page(asked.person(), place_of(asked.context, caller, language), wishes)
    return Response(page_json(answered, asked.include), media_type="application/json")


async def _recommended(
    placement: Placement, asked: RecommendIn, caller: Caller, desk: Desk, language: Language
) -> Response:
    wish = asked.wish_for(placement, asked.context.items)
    answered = await desk.answer(asked.person(), place_of(asked.context, caller, language), wish)
    return Response(answer_json(answered, asked.include), media_type="application/json")


def direct_routes() -> DirectRoutes:
    """Return the way to one list of each placement, for the front of the application's routes."""
    return DirectRoutes({f"/v1/recommendations/{placement.value}": _directly(placement) for placement in Placement})


def _directly(placement: Placement) -> Endpoint:
    async def recommend_directly(request: Request) -> Response:
        caller = await READS(request)
        asked = await body_in(request, RecommendIn)
        language = preferred(request.headers.get("accept-language", ""))
        return await _recommended(placement, asked, caller, await _desk(request), language)

    return recommend_directly


def placement_named(name: str) -> Placement:
    try:
        return Placement(name)
    except ValueError:
        raise PlacementNotFound("no placement has this name; GET /v1/placements lists them") from None


@router.get("/placements", dependencies=[READ], summary="Which lists there are, and how they are made")
async def list_placements(desk: AtDesk) -> PlacementsOut:
    return PlacementsOut(
        placements=[placement_out(placement, desk.policies.settings(placement)) for placement in ABOUT]
    )


def placement_out(placement: Placement, settings: PlacementSettings) -> PlacementOut:
    about, needs_items = ABOUT[placement]
    return PlacementOut(
        placement=placement.value,
        about=about,
        needs_items=needs_items,
        settings=PlacementSettingsIn.model_validate(plain_settings(settings)),
    )


@router.post("/events", dependencies=[READ], summary="Report impressions, clicks, carts and purchases")
async def report_events(asked: EventsIn, database: Db, now: Now, desk: AtDesk) -> EventsOut:
    parsed = [_event(raw) for raw in asked.events]
    reported = [_reported(event, now) for event in parsed if isinstance(event, EventIn)]
    await desk.shown.flush()
    outcomes = await activity.report(database, reported, now) if reported else {}
    return EventsOut(results=[_result(event, outcomes) for event in parsed])


def _event(raw: dict[str, object]) -> EventIn | EventResult:
    try:
        return EventIn.model_validate(raw)
    except ValidationError as error:
        item = error.errors(include_url=False)[0]
        fault = validation_item({**item, "loc": ("body", *item["loc"])}, raw)
        named = raw.get("event_id")
        return EventResult(
            event_id=named[:128] if isinstance(named, str) else None,
            status="refused",
            code="invalid_event",
            message=str(fault["message"]),
            field=str(fault["field"]),
        )


def _reported(event: EventIn, now: datetime) -> Reported:
    return Reported(
        reported_id=event.event_id,
        request_id=event.request_id,
        product_id=event.product_id,
        action=event.type,
        occurred_at=event.occurred_at or now,
        rank=event.rank,
        placement=event.placement.value if event.placement else None,
        customer_id=event.customer_id,
    )


def _result(event: EventIn | EventResult, outcomes: dict[str, str]) -> EventResult:
    """Return what became of an event; a second one of its id in the same body is a repeat."""
    if isinstance(event, EventResult):
        return event
    outcome = outcomes[event.event_id]
    if outcome == "accepted":
        outcomes[event.event_id] = "repeat"
        return EventResult(event_id=event.event_id, status="accepted")
    if outcome == "repeat":
        return EventResult(event_id=event.event_id, status="repeat")
    return EventResult(
        event_id=event.event_id,
        status="refused",
        code="unknown_request",
        message="no list of this request_id is known; give its placement",
        field="/request_id",
    )


@router.get("/models", dependencies=[READ], summary="The trained versions, and which is in use")
async def list_models(registry: Models, database: Db, desk: AtDesk) -> ModelsOut:
    found = await asyncio.to_thread(models.versions, registry)
    standing = await models.standing(database)
    return ModelsOut(
        serving=desk.live.now.recommender.model_version,
        training=TrainingOut.of(standing.training),
        models=[
            ModelOut.of(manifest, found.current, ShadowOut.of(manifest.version, standing))
            for manifest in found.manifests
        ],
        changes=[ChangeOut.of(each) for each in found.changes[:CHANGES_SHOWN]],
    )


@router.post("/models/{version}:promote", summary="Put a version into use, if it is no worse")
async def promote_model(version: ThingId, caller: Admin, registry: Models, desk: AtDesk, now: Now) -> PromotedOut:
    verdict = await asyncio.to_thread(models.promote, registry, version, By.of(caller.actor, now))
    await desk.live.check_model()
    return PromotedOut(version=version, reason=verdict.reason)


@router.post("/models:rollback", summary="Return to the version before")
async def roll_back_model(
    caller: Admin, registry: Models, desk: AtDesk, now: Now, asked: RollbackIn | None = None
) -> PromotedOut:
    leaving = None if asked is None else asked.leaving
    version = await asyncio.to_thread(models.rollback, registry, By.of(caller.actor, now), leaving)
    await desk.live.check_model()
    return PromotedOut(version=version, reason="rolled back")


@router.post("/models/{version}:shadow", summary="Let a version answer a share of the lists once more, for nobody")
async def shadow_model(  # noqa: PLR0913, PLR0917 - what the route is given by its dependencies
    version: ThingId, asked: ShadowIn, caller: Admin, registry: Models, database: Db, now: Now
) -> ShadowedOut:
    await models.put_into_shadow(database, registry, version, asked.share, caller.actor, now)
    return ShadowedOut(version=version, share=asked.share)


@router.post("/models/{version}:unshadow", dependencies=[ADMIN], summary="Let a version answer nothing more")
async def unshadow_model(version: ThingId, database: Db) -> ShadowedOut:
    await models.take_out_of_shadow(database, version)
    return ShadowedOut(version=version, share=0.0)


@aliases.get("/recommend/{user}", summary="As Gorse: ids, or Id and Score with X-API-Version: 2", response_model=None)
async def gorse_recommend(  # noqa: PLR0913, PLR0917 - the parameters of Gorse's route
    user: ThingId,
    desk: AtDesk,
    n: Count = 10,
    offset: Annotated[int, Query(ge=0, lt=MAX_LIMIT)] = 0,
    category: Annotated[str | None, Query(max_length=128)] = None,
    x_api_version: Annotated[str, Header()] = "1",
) -> list[str] | list[dict[str, str | float]]:
    wish = Wish(Placement.FOR_YOU, min(offset + n, MAX_LIMIT), filters=_of_category(category))
    answered = await desk.answer(Person(identifier=("user_id", user)), Place(), wish)
    items = _gorse(answered)[offset:]
    if x_api_version == "2":
        return [item.model_dump(by_alias=True) for item in items]
    return [item.id for item in items]


@aliases.get("/item-to-item/{name}/{item}", summary="As Gorse: `bought-together`, or similar under any other name")
async def gorse_neighbours(  # noqa: PLR0913, PLR0917 - the parameters of Gorse's route
    name: ThingId,
    item: ThingId,
    desk: AtDesk,
    n: Count = 10,
    offset: Annotated[int, Query(ge=0, lt=MAX_LIMIT)] = 0,
    category: Annotated[str | None, Query(max_length=128)] = None,
) -> list[GorseItem]:
    together = name == Placement.BOUGHT_TOGETHER.value
    placement = Placement.BOUGHT_TOGETHER if together else Placement.SIMILAR
    wish = Wish(placement, min(offset + n, MAX_LIMIT), (item,), _of_category(category), is_personalized=False)
    return _gorse(await desk.answer(Person(), Place(), wish))[offset:]


@aliases.post("/session/recommend", summary="As Gorse: products for a session's feedback")
async def gorse_session(
    feedback: Annotated[list[GorseFeedback], Body(max_length=FEEDBACK_MAX)],
    desk: AtDesk,
    n: Count = 10,
    category: Annotated[str | None, Query(max_length=128)] = None,
) -> list[GorseItem]:
    items = tuple(each.item_id for each in feedback[-MAX_LIMIT:])
    wish = Wish(Placement.SIMILAR, n, items, _of_category(category), is_personalized=False)
    return _gorse(await desk.answer(Person(), Place(), wish))


def _of_category(category: str | None) -> Filters:
    return Filters(categories=frozenset({category}) if category else frozenset())


def _gorse(answered: Answered) -> list[GorseItem]:
    return [GorseItem(id=item.product_id, score=item.score) for item in answered.answer.items]
