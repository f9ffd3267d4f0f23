"""The requests and answers of the recommend service's routes."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from services.recommend.domain.capping import DAYS_MAX, SHOWN_MAX
from services.recommend.domain.diversity import Diversity
from services.recommend.domain.offers import PersonalOffer
from services.recommend.domain.reasons import Reason
from services.recommend.domain.requests import AGE_MAX, MAX_LIMIT, Effect, Filters, Item, Placement
from services.recommend.handlers.answers import Answered, Person, Wish
from services.recommend.handlers.models import Standing
from services.recommend.serving.catalogue import Listed
from services.recommend.serving.trials import Trial
from services.recommend.store.models import ShadowSums, Training
from shared.events.base import MinorUnits
from shared.registry import Manifest, Metric

ProductId = Annotated[str, Field(min_length=1, max_length=128)]
ShortText = Annotated[str, Field(min_length=1, max_length=128)]
Included = Literal["product", "reason"]
Action = Literal["impression", "click", "add_to_cart", "purchase"]
EVENTS_MAX = 500
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
    store_id: ShortText | None = Field(default=None, description="stock and popularity of this store apply")
    channel: ShortText | None = Field(default=None, description="web, app, store, email, …")
    now: AwareDatetime | None = Field(default=None, description="as of when; later purchases are left out")
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
    exclude_purchased: str = Field(default="none", max_length=20, examples=["none", "all", "recent:7d"])

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
        description="low, medium: two products of a type; high: one; medium and high also put unlike ones first",
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

    placements: list[PlacementWishIn] = Field(min_length=1, max_length=PLACEMENTS_MAX)


class ReasonOut(BaseModel):
    code: str = Field(examples=["due"])
    params: dict[str, int | str] = Field(examples=[{"gap_days": 9, "since_days": 11}])
    text: str = Field(description="in the language of Accept-Language, English or Chinese")

    @classmethod
    def of(cls, reason: Reason) -> "ReasonOut":
        return cls.model_construct(code=reason.code.value, params=dict(reason.params), text=reason.text)


class ProductOut(BaseModel):
    """A product as far as the catalogue describes it; null where it does not."""

    name: str | None
    brand: str | None
    categories: list[str] = Field(description="from the department down")
    size: str | None
    price_minor: int | None = Field(description="minor units of `currency`")
    currency: str | None

    @classmethod
    def of(cls, listed: Listed) -> "ProductOut":
        return cls.model_construct(
            name=listed.product.name,
            brand=listed.brand,
            categories=list(listed.categories),
            size=listed.product.size,
            price_minor=listed.product.price_minor,
            currency=listed.product.currency,
        )


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


class DiscountsOut(BaseModel):
    """What a group of customers got off."""

    by: str = Field(description="buyers: thirds by purchases in the period; store: where it was redeemed")
    group: str = Field(description="light, middle, heavy, none; or the store")
    currency: str | None
    customers: int
    coupons: int | None = Field(description="issued in the period; null for stores")
    redemptions: int
    discount_minor: int
    discount_per_customer_minor: int


class OffersReportOut(BaseModel):
    since: AwareDatetime
    until: AwareDatetime
    groups: list[DiscountsOut]


class ItemOut(BaseModel):
    """A recommended product. Scores are comparable within one source of one list only."""

    id: str
    rank: int
    score: float
    source: str
    pinned: bool
    reason: ReasonOut | None
    product: ProductOut | None
    offer: OfferOut | None = None

    @classmethod
    def of(cls, item: Item, listed: Listed | None, include: frozenset[str]) -> "ItemOut":
        return cls.model_construct(
            id=item.product_id,
            rank=item.rank,
            score=item.score,
            source=item.source.value,
            pinned=item.pinned,
            reason=ReasonOut.of(item.reason) if "reason" in include else None,
            product=ProductOut.of(listed) if listed is not None and "product" in include else None,
            offer=None if item.offer is None else OfferOut.of(item.offer),
        )


class EffectOut(BaseModel):
    """What a merchandiser's rule did to the list."""

    rule_id: UUID
    name: str
    kind: str
    outcome: str = Field(description="pinned, pinned_elsewhere, moved, put_in, held_back, left_out, unmet, no_effect")
    product_ids: list[str]
    detail: str | None = Field(description="why not, where it had no effect: out_of_stock, age_restricted, …")

    @classmethod
    def of(cls, effect: Effect) -> "EffectOut":
        return cls.model_construct(
            rule_id=effect.rule_id,
            name=effect.name,
            kind=effect.kind,
            outcome=effect.outcome.value,
            product_ids=list(effect.product_ids),
            detail=effect.detail,
        )


class ExperimentOut(BaseModel):
    """What the list takes part in; `interleaved` is the variant that both made together."""

    id: str
    variant: str

    @classmethod
    def of(cls, trial: Trial | None) -> "ExperimentOut | None":
        return None if trial is None else cls.model_construct(id=trial.experiment_id, variant=trial.variant)


class RecommendOut(BaseModel):
    """A list; `fallback_level` 0 was filled by the placement's first choice, n needed the n-th substitute."""

    request_id: UUID
    placement: str
    model_version: str
    experiment: ExperimentOut | None
    fallback_level: int
    personalized: bool = Field(description="whether the customer's own history was used")
    missing: list[str] = Field(description="what the answer had to do without: history_away, resolver_away, …")
    customer_id: UUID | None
    items: list[ItemOut]
    rules: list[EffectOut] = Field(description="what the shop's rules did to this list")

    @classmethod
    def of(cls, answered: Answered, include: list[Included]) -> "RecommendOut":
        listed, parts = answered.present.listed, frozenset(include)
        return cls.model_construct(
            request_id=answered.request_id,
            placement=answered.answer.placement.value,
            model_version=answered.model_version,
            experiment=ExperimentOut.of(answered.trial),
            fallback_level=answered.answer.fallback_level,
            personalized=answered.is_personalized,
            missing=[missing.value for missing in answered.missing],
            customer_id=answered.customer_id,
            items=[ItemOut.of(item, listed.get(item.product_id), parts) for item in answered.answer.items],
            rules=[EffectOut.of(effect) for effect in answered.answer.effects],
        )


class BatchOut(BaseModel):
    results: list[RecommendOut] = Field(description="in the order asked for; no product is on two lists")


class EventIn(Asked):
    """Something that was done with a recommended product: attribution only, never a sale."""

    event_id: ShortText = Field(description="the front end's own; a second one of the same id counts once")
    type: Action
    request_id: UUID = Field(description="of the list that held the product")
    product_id: ProductId
    occurred_at: AwareDatetime | None = Field(default=None, description="now where not given")
    rank: int | None = Field(default=None, ge=1, le=1000)
    placement: Placement | None = Field(
        default=None, description="needed only where the list is no longer known here"
    )
    customer_id: UUID | None = None


class EventsIn(Asked):
    """Each event is judged alone."""

    events: list[dict[str, Any]] = Field(min_length=1, max_length=EVENTS_MAX)


class EventResult(BaseModel):
    event_id: str | None
    status: Literal["accepted", "repeat", "refused"]
    code: str | None = None
    message: str | None = None
    field: str | None = None


class EventsOut(BaseModel):
    results: list[EventResult]


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


class MetricOut(BaseModel):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, metric: Metric) -> "MetricOut":
        return cls(value=metric.value, low=metric.low, high=metric.high)


class ShadowIn(Asked):
    """How much is answered once more. Every list takes the time of two, after it was answered."""

    share: float = Field(default=0.05, gt=0, le=1, description="of the lists")


class ShadowedOut(BaseModel):
    version: str
    share: float


class ShadowOut(BaseModel):
    """How a version did beside the one in use, over all lists that both made; null until there is one."""

    active: bool
    share: float = Field(description="of the lists; 0 where it is not in the shadow now")
    lists: int
    agreement: float | None = Field(description="share of products that both lists hold")
    took_ms: float | None = Field(description="mean processor time of a list")
    in_use_ms: float | None = Field(description="the same of the version in use")
    failures: int
    dropped: int = Field(description="lists left out because too many waited")

    @classmethod
    def of(cls, version: str, standing: Standing) -> "ShadowOut | None":
        row, sums = standing.shadow, standing.found.get(version, ShadowSums())
        is_active = row is not None and row.version == version
        if not is_active and version not in standing.found:
            return None
        return cls(
            active=is_active,
            share=row.share if row is not None and is_active else 0.0,
            lists=sums.lists,
            agreement=sums.agreement / sums.lists if sums.lists else None,
            took_ms=sums.took_ms / sums.lists if sums.lists else None,
            in_use_ms=sums.in_use_ms / sums.lists if sums.lists else None,
            failures=sums.failures,
            dropped=sums.dropped,
        )


class TrainingOut(BaseModel):
    """The last training that the schedule started."""

    state: Literal["running", "done", "kept_back", "failed"]
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    said: str = Field(description="its last line")

    @classmethod
    def of(cls, training: Training | None) -> "TrainingOut | None":
        if training is None:
            return None
        return cls.model_validate(
            {
                "state": training.state,
                "started_at": training.started_at,
                "finished_at": training.finished_at,
                "said": training.said,
            }
        )


class ModelOut(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    version: str
    in_use: bool
    created_at: AwareDatetime
    window_from: AwareDatetime
    window_until: AwareDatetime
    code_version: str
    metrics: dict[str, MetricOut]
    shadow: ShadowOut | None

    @classmethod
    def of(cls, manifest: Manifest, current: str | None, shadow: ShadowOut | None) -> "ModelOut":
        return cls.model_validate(
            {
                "version": manifest.version,
                "in_use": manifest.version == current,
                "created_at": manifest.created_at,
                "window_from": manifest.window_from,
                "window_until": manifest.window_until,
                "code_version": manifest.code_version,
                "metrics": {name: MetricOut.of(metric) for name, metric in manifest.metrics.items()},
                "shadow": shadow,
            }
        )


class ModelsOut(BaseModel):
    serving: str = Field(description="the version that this process answers from; `untrained` before the first")
    training: TrainingOut | None
    models: list[ModelOut] = Field(description="newest first")


class PromotedOut(BaseModel):
    version: str
    reason: str


class GorseItem(BaseModel):
    """An item as Gorse's clients expect it."""

    id: str = Field(serialization_alias="Id")
    score: float = Field(serialization_alias="Score")


class GorseFeedback(BaseModel):
    """One element of the body of Gorse's session route; other fields are not needed."""

    model_config = ConfigDict(extra="ignore")

    item_id: ProductId = Field(alias="ItemId")

    @field_validator("item_id", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value
