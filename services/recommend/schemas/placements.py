"""Placements and how their lists are made."""

from pydantic import BaseModel, Field

from services.recommend.domain.capping import DAYS_MAX, SHOWN_MAX
from services.recommend.domain.requests import MAX_LIMIT
from services.recommend.schemas.asking import Asked


class FrequencyCapIn(Asked):
    shown_max: int = Field(ge=1, le=SHOWN_MAX, description="how often a product is shown before it steps back")
    days: int = Field(ge=1, le=DAYS_MAX, description="within so many days; a click or a purchase starts anew")


class ExplorationIn(Asked):
    """One place of the list for new products; the chance of each draw is written down beside it."""

    share: float = Field(default=1.0, gt=0, le=1, description="of the lists have the place")
    random_share: float = Field(
        default=0.5, gt=0, le=1, description="of these draw any new product, the others the most clicked"
    )
    new_days: int = Field(default=28, ge=1, le=365, description="a product is new for so long")
    impressions_max: int = Field(default=1000, ge=1, le=1_000_000, description="and until it was shown so often")
    place: int | None = Field(default=None, ge=1, le=MAX_LIMIT, description="from 1; null: the last of the list")


class PlacementSettingsIn(Asked):
    """What is given is changed; null switches cap or exploration off."""

    substitutes: bool = Field(
        default=True, description="an own product that the store has none of gives its place to a substitute"
    )
    frequency_cap: FrequencyCapIn | None = None
    exploration: ExplorationIn | None = None


class PlacementOut(BaseModel):
    placement: str
    about: str
    needs_items: bool = Field(description="whether context.items says what the list is about")
    settings: PlacementSettingsIn


class PlacementsOut(BaseModel):
    placements: list[PlacementOut]
