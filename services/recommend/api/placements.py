"""The route of placements: which lists there are, and how they are made."""

from services.recommend.api.dependencies import READ, AtDesk
from services.recommend.domain.placements import PlacementSettings, plain_settings
from services.recommend.domain.requests import Placement
from services.recommend.schemas.placements import PlacementOut, PlacementSettingsIn, PlacementsOut
from shared.http.body import Router

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
