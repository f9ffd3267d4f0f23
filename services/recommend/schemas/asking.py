"""What is asked: who, where, which lists."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from services.recommend.domain.diversity import Diversity
from services.recommend.domain.requests import (
    AGE_MAX,
    EARLIEST,
    LATEST,
    MAX_LIMIT,
    Filters,
    InvalidRequestError,
    Placement,
)
from services.recommend.domain.wishes import Person, Wish
from shared.events.base import MinorUnits

ProductId = Annotated[str, Field(min_length=1, max_length=128)]
ShortText = Annotated[str, Field(min_length=1, max_length=128)]
Moment = Annotated[AwareDatetime, Field(ge=EARLIEST, lt=LATEST)]
"""A time that can be counted with, whatever its offset."""
Included = Literal["product", "reason"]
PLACEMENTS_MAX = 10


class Asked(BaseModel):
    """A part of a request; a field that does not exist is refused, so that a misspelt filter is noticed."""

    model_config = ConfigDict(extra="forbid")


class IdentifierIn(Asked):
    namespace: ShortText = Field(examples=["loyalty_card"])
    value: Annotated[str, Field(min_length=1, max_length=400)] = Field(examples=["6001234567"])


class ContextIn(Asked):
    """Where and when the list is shown."""

    items: list[ProductId] = Field(
        default_factory=list,
        max_length=100,
        description="product ids: the open basket, the product page, what was just looked at",
    )
    store_id: ShortText | None = Field(
        default=None,
        description="stock, offers, popularity and rules of this store apply; one closed for good is left aside",
    )
    channel: ShortText | None = Field(default=None, description="web, app, store, email, …")
    now: Moment | None = Field(default=None, description="as of when; later purchases are left out")
    customer_age: int | None = Field(
        default=None,
        ge=0,
        le=AGE_MAX,
        description="years, where the till or the shop has checked it; without it nothing age-restricted is shown",
    )


class FiltersIn(Asked):
    """Hard limits, never relaxed: a list is rather shorter."""

    in_stock: bool = Field(default=True, description="leave out what `context.store_id` has none of")
    categories: list[ShortText] = Field(
        default_factory=list, max_length=100, description="of any level; one suffices"
    )
    price_min_minor: MinorUnits | None = Field(default=None, description="minor units; unknown prices are left out")
    price_max_minor: MinorUnits | None = Field(default=None, description="minor units; unknown prices are left out")
    exclude_ids: list[ProductId] = Field(default_factory=list, max_length=1000)
    exclude_purchased: str = Field(
        default="none",
        max_length=20,
        description="none, all, or recent:Nd for what was bought less than N days ago",
        examples=["none", "all", "recent:7d"],
    )

    @field_validator("exclude_purchased")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            _ = Filters(exclude_purchased=value).excluded_days
        except InvalidRequestError as invalid:
            raise PydanticCustomError("invalid_value", "must be none, all or recent:Nd, like recent:7d") from invalid
        return value

    @field_validator("price_max_minor")
    @classmethod
    def _is_a_range(cls, value: int | None, info: ValidationInfo) -> int | None:
        low = info.data.get("price_min_minor")
        if value is not None and low is not None and value < low:
            raise PydanticCustomError("invalid_value", "is below price_min_minor; exchange them")
        return value

    def to_filters(self) -> Filters:
        return Filters(
            in_stock=self.in_stock,
            categories=frozenset(self.categories),
            price_min_minor=self.price_min_minor,
            price_max_minor=self.price_max_minor,
            exclude_ids=frozenset(self.exclude_ids),
            exclude_purchased=self.exclude_purchased,
        )


class WishIn(Asked):
    """What one list is to hold."""

    limit: int = Field(default=10, ge=1, le=MAX_LIMIT)
    filters: FiltersIn = Field(default_factory=FiltersIn)
    diversity: Diversity = Field(
        default=Diversity.OFF,
        description="how far types are parted; low, medium: at most three products of a type; high: one",
    )
    personalized: bool = Field(default=True, description="false: no history is used, the answer has the same shape")

    def wish_for(self, placement: Placement, items: list[str]) -> Wish:
        return Wish(placement, self.limit, tuple(items), self.filters.to_filters(), self.diversity, self.personalized)


class PersonIn(Asked):
    """Who is asked for; the first given of customer_id, identifier and session_id counts."""

    customer_id: UUID | None = None
    identifier: IdentifierIn | None = None
    session_id: ShortText | None = None
    context: ContextIn = Field(default_factory=ContextIn)
    include: list[Included] = Field(default=["product", "reason"], description="optional parts of items")

    def person(self) -> Person:
        identifier = (self.identifier.namespace, self.identifier.value) if self.identifier else None
        return Person(self.customer_id, identifier, self.session_id)


class RecommendIn(PersonIn, WishIn):
    """One list."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "identifier": {"namespace": "loyalty_card", "value": "6001234567"},
                    "context": {"store_id": "S01", "items": ["P100"], "channel": "store"},
                    "limit": 5,
                    "filters": {"in_stock": True, "exclude_purchased": "recent:7d"},
                }
            ]
        }
    )


class PlacementWishIn(WishIn):
    """One list of a page."""

    placement: Placement
    items: list[ProductId] | None = Field(
        default=None, max_length=100, description="in place of the page's context.items"
    )


class BatchIn(PersonIn):
    """Several lists of one page, for one person."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "session_id": "3f1c",
                    "context": {"store_id": "S01", "items": ["P100"], "channel": "web"},
                    "placements": [
                        {"placement": "similar", "limit": 6},
                        {"placement": "bought-together", "limit": 4},
                        {"placement": "trending", "limit": 10, "items": []},
                    ],
                }
            ]
        }
    )

    placements: list[PlacementWishIn] = Field(min_length=1, max_length=PLACEMENTS_MAX)
