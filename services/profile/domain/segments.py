"""The named segments: each a rule over a customer's figures, in one table."""

from collections.abc import Callable
from dataclasses import dataclass

from services.profile.domain.habits import Habits
from services.profile.domain.purchases import Figures
from services.profile.domain.rfm import Scores

VISITS_FOR_A_HABIT = 5
FREQUENT_SHARE = 0.6
FAITHFUL_SHARE = 0.8
COUPON_SHARE = 0.3
RETURNS_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Traits:
    """What the rules look at. `scores` is None before anybody was scored, or without a purchase."""

    figures: Figures
    habits: Habits
    scores: Scores | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A named group of customers; `holds` decides from the traits alone."""

    id: str
    name: str
    description: str
    holds: Callable[[Traits], bool]


def _scored(rule: Callable[[Scores], bool]) -> Callable[[Traits], bool]:
    return lambda traits: traits.scores is not None and rule(traits.scores)


def _habit(rule: Callable[[Habits], bool]) -> Callable[[Traits], bool]:
    return lambda traits: traits.habits.visits >= VISITS_FOR_A_HABIT and rule(traits.habits)


SEGMENTS: tuple[Segment, ...] = (
    Segment(
        "champions",
        "Champions",
        "Bought lately, often and for much: the best fifths of all three",
        _scored(lambda s: s.recency >= 4 and s.frequency >= 4 and s.monetary >= 4),
    ),
    Segment(
        "regulars",
        "Regulars",
        "Buy often and not long ago",
        _scored(lambda s: s.recency >= 3 and s.frequency >= 4),
    ),
    Segment(
        "promising",
        "Promising",
        "Bought lately, not often yet",
        _scored(lambda s: s.recency >= 4 and s.frequency <= 2),
    ),
    Segment(
        "needs_attention",
        "Needs attention",
        "Used to buy often, silent longer than most",
        _scored(lambda s: s.recency <= 2 and s.frequency >= 3),
    ),
    Segment(
        "hibernating",
        "Hibernating",
        "Bought rarely and long ago",
        _scored(lambda s: s.recency <= 2 and s.frequency <= 2),
    ),
    Segment(
        "top_spenders",
        "Top spenders",
        "The fifth that spent the most",
        _scored(lambda s: s.monetary == 5),
    ),
    Segment(
        "coupon_users",
        "Coupon users",
        f"Used a coupon at {COUPON_SHARE:.0%} or more of the latest visits",
        _habit(lambda h: h.coupon_share >= COUPON_SHARE),
    ),
    Segment(
        "weekend_shoppers",
        "Weekend shoppers",
        f"Come on Saturday or Sunday {FREQUENT_SHARE:.0%} of the time or more",
        _habit(lambda h: h.weekend_share >= FREQUENT_SHARE),
    ),
    Segment(
        "one_store_shoppers",
        "One-store shoppers",
        f"Make {FAITHFUL_SHARE:.0%} or more of their visits to one store",
        _habit(lambda h: h.usual_store_share >= FAITHFUL_SHARE),
    ),
    Segment(
        "frequent_returners",
        "Frequent returners",
        f"Give something back {RETURNS_SHARE:.0%} as often as they buy, or more",
        lambda t: (
            t.habits.visits >= VISITS_FOR_A_HABIT and t.figures.returns >= RETURNS_SHARE * max(t.figures.receipts, 1)
        ),
    ),
)
BY_ID = {segment.id: segment for segment in SEGMENTS}


def segments_of(traits: Traits) -> tuple[str, ...]:
    """Return the ids of the segments that a customer is in, in the table's order."""
    return tuple(segment.id for segment in SEGMENTS if segment.holds(traits))
