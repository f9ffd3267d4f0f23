"""Owns what is asked and answered: placements, context, filters, ranked items, and de-duplication across a page."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from re import fullmatch

from services.recommend.domain.reasons import Language, Reason

MAX_LIMIT = 100


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
    TRENDING = "trending"


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
    TRENDING = "trending"
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
    """One placement's question. `customer_age` is in years where known: age-restricted products need it."""

    placement: Placement
    context: Context
    limit: int = 10
    filters: Filters = field(default_factory=Filters)
    customer_id: str | None = None
    customer_age: int | None = None
    personalized: bool = True
    language: Language = Language.ENGLISH

    def __post_init__(self) -> None:
        """Refuse what no answer could satisfy. Raises InvalidRequestError."""
        if not 1 <= self.limit <= MAX_LIMIT:
            raise InvalidRequestError("limit", f"must be between 1 and {MAX_LIMIT}")
        if self.context.now.tzinfo is None:
            raise InvalidRequestError("context.now", "must carry a UTC offset")
        low, high = self.filters.price_min_minor, self.filters.price_max_minor
        if low is not None and high is not None and low > high:
            raise InvalidRequestError("filters.price_min_minor", "is above price_max_minor")
        _ = self.filters.excluded_days


@dataclass(frozen=True, slots=True)
class Item:
    product_id: str
    rank: int
    score: float
    source: Source
    reason: Reason
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """`fallback_level` is 0 when the first choice filled the list, n when the n-th substitute was needed."""

    placement: Placement
    items: tuple[Item, ...]
    fallback_level: int


def without_repeats(answers: Sequence[Answer], limits: Sequence[int]) -> list[Answer]:
    """Cut each answer of one page to its limit, a product staying only in the first answer that holds it.

    Ask each placement for more than its limit, so that what is dropped is replaced; an answer that would be left
    empty keeps its own list: a repeat is better than an empty widget.
    """
    shown: set[str] = set()
    page = []
    for answer, limit in zip(answers, limits, strict=True):
        fresh = [item for item in answer.items if item.product_id not in shown] or list(answer.items)
        items = tuple(replace(item, rank=rank) for rank, item in enumerate(fresh[:limit], start=1))
        shown.update(item.product_id for item in items)
        page.append(replace(answer, items=items))
    return page
