"""What is answered: lists, their items, and Gorse's shapes of them."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from services.recommend.domain.offers import PersonalOffer
from services.recommend.domain.wishes import Missing
from services.recommend.schemas.asking import ProductId


class ReasonOut(BaseModel):
    code: str = Field(examples=["due"])
    params: dict[str, int | str] = Field(examples=[{"gap_days": 9, "since_days": 11}])
    text: str = Field(description="in the language of Accept-Language, English or Chinese")


class ProductOut(BaseModel):
    """A product as far as the catalogue describes it; null where it does not."""

    name: str | None
    brand: str | None
    categories: list[str] = Field(description="from the department down")
    size: str | None
    price_minor: int | None = Field(description="minor units of `currency`")
    currency: str | None


class OfferOut(BaseModel):
    """What one of the person's own coupons takes off; never more than the shelf asks of everybody."""

    coupon_id: UUID
    campaign_id: str
    currency: str
    shelf_price_minor: int
    price_minor: int = Field(description="what this person pays; at most the shelf price")
    discount_minor: int
    min_basket_minor: int = Field(description="what the basket must come to")
    expires_at: AwareDatetime | None = Field(description="the first moment it no longer works")

    @classmethod
    def of(cls, offer: PersonalOffer) -> "OfferOut":
        return cls.model_construct(
            coupon_id=offer.coupon_id,
            campaign_id=offer.campaign_id,
            currency=offer.currency,
            shelf_price_minor=offer.shelf_price_minor,
            price_minor=offer.price_minor,
            discount_minor=offer.discount_minor,
            min_basket_minor=offer.min_basket_minor,
            expires_at=offer.expires_at,
        )


class ItemOut(BaseModel):
    """A recommended product. Scores are comparable within one source of one list only."""

    id: str
    rank: int
    score: float
    source: str
    pinned: bool
    reason: ReasonOut | None
    product: ProductOut | None
    offer: OfferOut | None


class EffectOut(BaseModel):
    """What a merchandiser's rule did to the list."""

    rule_id: UUID
    name: str
    kind: str
    outcome: str = Field(description="pinned, pinned_elsewhere, moved, put_in, held_back, left_out, unmet, no_effect")
    product_ids: list[str]
    detail: str | None = Field(description="why not, where it had no effect: out_of_stock, age_restricted, …")


class ExperimentOut(BaseModel):
    """What the list takes part in; `interleaved` is the variant that both made together."""

    id: str
    variant: str


class RecommendOut(BaseModel):
    """A list; `fallback_level` 0 was filled by the placement's first choice, n needed the n-th substitute."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "request_id": "7d9a2c1e-0f5b-4c60-9a51-2f4be0a1c9d3",
                    "placement": "for-you",
                    "model_version": "20261122T030512408-9c1f",
                    "experiment": None,
                    "fallback_level": 0,
                    "personalized": True,
                    "missing": [],
                    "customer_id": "5f0c6c0e-2a86-5d4b-8f0b-6a3d9a0f7c11",
                    "items": [
                        {
                            "id": "P100",
                            "rank": 1,
                            "score": 3.82,
                            "source": "ranked",
                            "pinned": False,
                            "reason": {
                                "code": "due",
                                "params": {"gap_days": 9, "since_days": 11, "due_on": "2026-11-24"},
                                "text": "usually every 9 days, last bought 11 days ago",
                            },
                            "product": {
                                "name": "Milk 1 l",
                                "brand": "Meadow",
                                "categories": ["GROCERY", "DAIRY", "MILK"],
                                "size": "1 l",
                                "price_minor": 129,
                                "currency": "CNY",
                            },
                            "offer": None,
                        }
                    ],
                    "rules": [],
                }
            ]
        },
    )

    request_id: UUID
    placement: str
    model_version: str
    experiment: ExperimentOut | None
    fallback_level: int
    personalized: bool = Field(description="whether the customer's own history was used")
    missing: list[Missing] = Field(description="what the answer had to do without")
    customer_id: UUID | None
    items: list[ItemOut]
    rules: list[EffectOut] = Field(description="what the shop's rules did to this list")


class BatchOut(BaseModel):
    results: list[RecommendOut] = Field(description="in the order asked for; no product is on two lists")


class GorseItem(BaseModel):
    """An item as Gorse's clients expect it."""

    id: str = Field(serialization_alias="Id")
    score: float = Field(serialization_alias="Score")


FEEDBACK_MAX = 1000


class GorseFeedback(BaseModel):
    """One element of the body of Gorse's session route; other fields are not needed."""

    model_config = ConfigDict(extra="ignore")

    item_id: ProductId = Field(alias="ItemId")

    @field_validator("item_id", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value
