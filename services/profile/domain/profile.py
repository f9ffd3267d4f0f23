"""A customer's profile, put together from folded facts as of a moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.profile.domain.habits import Habits, habits_of
from services.profile.domain.lifecycle import Life, life_of
from services.profile.domain.purchases import CategorySpend, CustomerTotals, Totals, Visit, fold_totals
from services.profile.domain.rfm import Bounds, Rfm, Scores, rfm_of
from services.profile.domain.segments import Traits, segments_of


@dataclass(frozen=True, slots=True)
class Chain:
    """What holds for the whole chain: the currency of its figures and the zone of its days."""

    currency: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class AsOf:
    """The chain at the moment that is asked about."""

    chain: Chain
    now: datetime


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a customer is judged against: the fifths of each currency, the zones of stores, chain and moment."""

    bounds: Mapping[str, Bounds]
    store_zones: Mapping[str, str]
    as_of: AsOf


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer as of a moment: figures, habits, stage of life and segments."""

    totals: CustomerTotals
    habits: Habits
    rfm: Rfm | None
    life: Life
    segments: tuple[str, ...]


def standing_of(totals: Sequence[Totals], visits: Sequence[Visit], around: Surroundings) -> Standing:
    """Fold a customer: `totals` of each subject and currency, the latest `visits` rising in time."""
    chain, now = around.as_of.chain, around.as_of.now
    folded = fold_totals(totals, chain.currency)
    habits = habits_of(visits, around.store_zones, chain.time_zone)
    rfm = rfm_of(folded, around.bounds.get(folded.main.currency), now)
    scores = Scores.of(rfm.cell) if rfm is not None and rfm.cell is not None else None
    return Standing(
        totals=folded,
        habits=habits,
        rfm=rfm,
        life=life_of(visits, folded.first_at, now),
        segments=segments_of(Traits(folded.main.figures, habits, scores)),
    )


@dataclass(frozen=True, slots=True)
class Identifier:
    """How a customer is known, as it may be shown."""

    namespace: str
    masked: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person allows on one channel for one purpose, since when."""

    channel: str
    purpose: str
    state: str
    policy_version: str | None
    since: datetime


def fold_consents(of_subjects: Sequence[Consent]) -> list[Consent]:
    """Return one consent per channel and purpose: a withdrawal by any subject outweighs every grant.

    Subjects are linked by inference; what one of them withdrew must not come back because another granted it.
    """
    strictest: dict[tuple[str, str], Consent] = {}
    for consent in of_subjects:
        key = (consent.channel, consent.purpose)
        known = strictest.get(key)
        if known is None or _strictness(consent) > _strictness(known):
            strictest[key] = consent
    return [strictest[key] for key in sorted(strictest)]


def _strictness(consent: Consent) -> tuple[bool, datetime, str]:
    return consent.state == "withdrawn", consent.since, consent.policy_version or ""


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything that is known of one customer as of a moment."""

    customer_id: UUID
    identifiers: tuple[Identifier, ...]
    standing: Standing
    favourite_categories: tuple[CategorySpend, ...]
    attributes: Mapping[str, object]
    tags: tuple[str, ...]
    consents: tuple[Consent, ...]
    usual_store_name: str | None
    as_of: datetime
