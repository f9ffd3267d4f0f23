"""Owns what a front end wishes for: lists, for whom and where, and what an answer had to do without."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.recommend.domain.diversity import Diversity
from services.recommend.domain.experiments import Treatment
from services.recommend.domain.reasons import Language
from services.recommend.domain.requests import Filters, Placement


class Missing(StrEnum):
    """What an answer had to do without."""

    HISTORY_AWAY = "history_away"
    HISTORY_MAYBE_OLD = "history_maybe_old"
    RESOLVER_AWAY = "resolver_away"
    EXPOSURES_AWAY = "exposures_away"
    COUPONS_AWAY = "coupons_away"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    STORE_CLOSED = "store_closed"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asked for: the first that is given counts; nobody is fine."""

    customer_id: UUID | None = None
    identifier: tuple[str, str] | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when lists are shown. `now` is None for the present, `customer_age` (years) where nobody checked."""

    store_id: str | None = None
    channel: str | None = None
    now: datetime | None = None
    language: Language = Language.ENGLISH
    customer_age: int | None = None

    def anywhere(self) -> "Place":
        """Return the same without the store."""
        return replace(self, store_id=None)


@dataclass(frozen=True, slots=True)
class Wish:
    """One list that is wished for."""

    placement: Placement
    limit: int = 10
    items: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)
    diversity: Diversity = Diversity.OFF
    is_personalized: bool = True

    def under(self, treatment: Treatment) -> "Wish":
        """Return the wish as a variant would have it; what the caller asked for itself stays."""
        filters = self.filters
        if treatment.exclude_purchased is not None and filters.exclude_purchased == "none":
            filters = replace(filters, exclude_purchased=treatment.exclude_purchased)
        diversity = self.diversity
        if treatment.diversity is not None and diversity is Diversity.OFF:
            diversity = treatment.diversity
        is_personalized = self.is_personalized and treatment.personalized is not False
        return replace(self, filters=filters, diversity=diversity, is_personalized=is_personalized)
