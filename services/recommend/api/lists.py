"""The routes of lists: one, or those of a page."""

from fastapi import Request, Response

from services.recommend.api.dependencies import READS, AtDesk, PlacementName, Reader, Spoken, the_desk
from services.recommend.api.rendering import answer_json, page_json
from services.recommend.domain.reasons import Language
from services.recommend.domain.requests import Placement
from services.recommend.domain.wishes import Place
from services.recommend.errors import PlacementNotFound, StoreNotServed
from services.recommend.handlers.answers import Desk
from services.recommend.schemas.asking import BatchIn, ContextIn, RecommendIn
from services.recommend.schemas.lists import BatchOut, RecommendOut
from services.recommend.serving.languages import preferred
from shared.http.body import Router
from shared.http.direct import DirectRoutes, Endpoint, body_in
from shared.keys import Caller

router = Router(prefix="/v1", tags=["recommend"])


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
        return await _recommended(placement, asked, caller, await the_desk(request), language)

    return recommend_directly


def placement_named(name: str) -> Placement:
    try:
        return Placement(name)
    except ValueError:
        raise PlacementNotFound("no placement has this name; GET /v1/placements lists them") from None
