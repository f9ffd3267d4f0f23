"""Owns what is asked and answered: placements, context, filters, ranked items, and de-duplication across a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from re import fullmatch
from uuid import UUID

from services.recommend.domain.diversity import Diversity
from services.recommend.domain.offers import PersonalOffer
from services.recommend.domain.reasons import Language, Reason

MAX_LIMIT = 100
AGE_MAX = 130
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
"""Between these (the end excluded) days can be counted, added and written down; beyond, the calendar ends."""


class InvalidRequestError(ValueError):
    """A request names something impossible; `field` says which."""

    def __init__(self, field_name: str, message: str) -> None:
        """Keep the field's name for the answer."""
        super().__init__(f"{field_name}: {message}")
        self.field = field_name


class Placement(StrEnum):
    FOR_YOU = "for-you"
    BUY_AGAIN = "buy-again"
    DISCOVER = "discover"
    SIMILAR = "similar"
    BOUGHT_TOGETHER = "bought-together"
    BASKET = "basket"
    SUBSTITUTES = "substitutes"
    TRENDING = "trending"
    CAMPAIGN = "campaign"


class Source(StrEnum):
    """Which generator put an item on the list."""

    RANKED = "ranked"
    OWN = "own_products"
    NEIGHBOURS = "neighbours"
    COMPANIONS = "basket_items"
    SESSIONS = "like_sessions"
    ASSOCIATIONS = "associations"
    PROMOTIONS = "promotions"
    DUE_TYPES = "due_types"
    VECTORS = "item_vectors"
    SAME_KIND = "same_kind"
    SUBSTITUTES = "substitutes"
    COUPON = "coupon"
    RULE = "rule"
    EXPLORATION = "exploration"
    TRENDING = "trending"
    SEGMENT_POPULAR = "popular_in_segment"
    STORE_POPULAR = "popular_in_store"
    POPULAR = "popular"
    ASSORTMENT = "assortment"


@dataclass(frozen=True, slots=True)
class Context:
    """Where and when the answer is shown; `items` are product ids (the open basket, the product page)."""

    now: datetime
    items: tuple[str, ...] = ()
    store_id: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Hard limits; none is ever relaxed. `exclude_purchased`: none, all, or recent:Nd (N days)."""

    in_stock: bool = True
    categories: frozenset[str] = frozenset()
    price_min_minor: int | None = None
    price_max_minor: int | None = None
    exclude_ids: frozenset[str] = frozenset()
    exclude_purchased: str = "none"

    @property
    def excluded_days(self) -> float | None:
        """Purchases younger than this many days are excluded: 0 for none, None for all of them."""
        if self.exclude_purchased == "none":
            return 0.0
        if self.exclude_purchased == "all":
            return None
        found = fullmatch(r"recent:(\d{1,4})d", self.exclude_purchased)
        if not found:
            raise InvalidRequestError("filters.exclude_purchased", "must be none, all or recent:Nd, like recent:7d")
        return float(found[1])


@dataclass(frozen=True, slots=True)
class Request:
    """One placement's question. `customer_age` is in years where known: age-restricted products need it.

    `spare` products more than `limit` are answered, for a page that takes out repeats. Without a `request_id` nothing
    is explored: the draw follows from it. `segments` are those that the customer is in, where that is known.
    """

    placement: Placement
    context: Context
    limit: int = 10
    filters: Filters = field(default_factory=Filters)
    customer_id: str | None = None
    customer_age: int | None = None
    personalized: bool = True
    language: Language = Language.ENGLISH
    diversity: Diversity = Diversity.OFF
    spare: int = 0
    request_id: UUID | None = None
    segments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no answer could satisfy. Raises InvalidRequestError."""
        if not 1 <= self.limit <= MAX_LIMIT:
            raise InvalidRequestError("limit", f"must be between 1 and {MAX_LIMIT}")
        if self.customer_age is not None and not 0 <= self.customer_age <= AGE_MAX:
            raise InvalidRequestError("context.customer_age", f"must be between 0 and {AGE_MAX} years")
        if self.context.now.tzinfo is None:
            raise InvalidRequestError("context.now", "must carry a UTC offset")
        if not EARLIEST <= self.context.now < LATEST:
            raise InvalidRequestError("context.now", "must lie between 1970 and 3000; leave it out for the present")
        low, high = self.filters.price_min_minor, self.filters.price_max_minor
        if low is not None and high is not None and low > high:
            raise InvalidRequestError("filters.price_min_minor", "is above price_max_minor")
        _ = self.filters.excluded_days


@dataclass(frozen=True, slots=True)
class Item:
    """A product on a list.

    `propensity` is the chance with which exploration put it there, None where it did not; `offer` is what one of the
    person's own coupons takes off.
    """

    product_id: str
    rank: int
    score: float
    source: Source
    reason: Reason
    pinned: bool = False
    propensity: float | None = None
    offer: PersonalOffer | None = None


class Outcome(StrEnum):
    """What a merchandiser's rule did to a list."""

    PINNED = "pinned"
    PINNED_ELSEWHERE = "pinned_elsewhere"
    MOVED = "moved"
    PUT_IN = "put_in"
    HELD_BACK = "held_back"
    LEFT_OUT = "left_out"
    UNMET = "unmet"
    NO_EFFECT = "no_effect"


@dataclass(frozen=True, slots=True)
class Effect:
    """One line of the report: a rule, what it did, to which products, and why not where it did not."""

    rule_id: UUID
    name: str
    kind: str
    outcome: Outcome
    product_ids: tuple[str, ...] = ()
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`fallback_level` is 0 when the first choice filled the list, n when the n-th substitute was needed."""

    placement: Placement
    items: tuple[Item, ...]
    fallback_level: int
    effects: tuple[Effect, ...] = ()


def without_repeats(answers: Sequence[Answer], limits: Sequence[int]) -> list[Answer]:
    """Cut each answer of one page to its limit, a product staying only in the first answer that holds it.

    A pinned product stays where it is pinned, at its place, and leaves the other answers. Ask each placement for more
    than its limit, so that what is dropped is replaced; an answer that would be left empty keeps its own list: a
    repeat is better than an empty widget.
    """
    home = _homes_of_pinned(answers, limits)
    shown: set[str] = set()
    page = []
    for number, (answer, limit) in enumerate(zip(answers, limits, strict=True)):
        own = [item for item in answer.items if home.get(item.product_id, number) == number]
        pinned = {item.rank: item for item in own if item.pinned and item.rank <= limit}
        free = [item for item in own if not item.pinned and item.product_id not in shown]
        kept = _placed(pinned, free, limit) or list(answer.items)[:limit]
        items = tuple(_ranked(item, rank) for rank, item in enumerate(kept, start=1))
        shown.update(item.product_id for item in items)
        page.append(answer if list(map(id, items)) == list(map(id, answer.items)) else replace(answer, items=items))
    return page


def _ranked(item: Item, rank: int) -> Item:
    return item if item.rank == rank else replace(item, rank=rank)


def _homes_of_pinned(answers: Sequence[Answer], limits: Sequence[int]) -> dict[str, int]:
    """Return the first answer that pins each product within its limit."""
    home: dict[str, int] = {}
    for number, (answer, limit) in enumerate(zip(answers, limits, strict=True)):
        for item in answer.items:
            if item.pinned and item.rank <= limit:
                home.setdefault(item.product_id, number)
    return home


def _placed(pinned: Mapping[int, Item], free: Sequence[Item], limit: int) -> list[Item]:
    waiting = iter(free)
    between = [pinned.get(place) or next(waiting, None) for place in range(1, limit + 1)]
    return [item for item in between if item is not None]
