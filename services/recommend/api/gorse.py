"""The routes that Gorse has: for front-ends that ask it today."""

from typing import Annotated

from fastapi import Body, Header, Query

from services.recommend.api.dependencies import AtDesk, Count, ThingId
from services.recommend.domain.requests import MAX_LIMIT, Filters, Placement
from services.recommend.domain.wishes import Person, Place, Wish
from services.recommend.handlers.answers import Answered
from services.recommend.schemas.lists import FEEDBACK_MAX, GorseFeedback, GorseItem
from shared.http.auth import depends, requires
from shared.http.body import Router

GORSE = depends(requires("recommend:read", accept_api_key_header=True))

router = Router(prefix="/api", tags=["Gorse-compatible"], dependencies=[GORSE])


@router.get("/recommend/{user}", summary="As Gorse: ids, or Id and Score with X-API-Version: 2", response_model=None)
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


@router.get("/item-to-item/{name}/{item}", summary="As Gorse: `bought-together`, or similar under any other name")
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


@router.post("/session/recommend", summary="As Gorse: products for a session's feedback")
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
