"""Owns when a customer will need a product again, and whether that is sure enough to be said."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from services.recommend.domain.purchases import OwnProduct

MIN_PURCHASES = 3
SAID_FROM_RATIO = 0.5
"""Before half of the usual gap it was "just bought", whatever the figures say."""
LATE_RATIO = 3.0
"""Past three usual gaps "due" would be a guess: the customer may have stopped buying it."""
SAID_FROM_CHANCE = 0.25
"""Of what is said to be due at least this share must be bought within CHANCE_DAYS."""
CHANCE_DAYS = 14
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a trained version expects of one product: chance within CHANCE_DAYS, days until bought, their range."""

    chance: float
    days: float
    days_low: float
    days_high: float


@dataclass(frozen=True, slots=True)
class Due:
    """The usual rhythm of one product. `ratio` is days since / usual gap: 1 is due, above is overdue."""

    usual_gap_days: float
    since_days: float
    due_at: datetime
    chance: float | None = None
    """That it is bought within CHANCE_DAYS; None where nothing has been learned."""

    @property
    def ratio(self) -> float:
        return self.since_days / self.usual_gap_days

    @property
    def is_said(self) -> bool:
        """Whether "due" is a fair thing to say."""
        in_time = round(self.usual_gap_days) >= 1 and SAID_FROM_RATIO <= self.ratio <= LATE_RATIO
        return in_time and (self.chance is None or self.chance >= SAID_FROM_CHANCE)


def due_of(own: OwnProduct, now: datetime, outlook: Outlook | None = None) -> Due | None:
    """Return when the product is due; None below three purchases on different days: two make no rhythm.

    The usual gap is the median of the gaps between the kept purchases (one holiday does not move it); purchases of
    one calendar day, in UTC, are one. Without an outlook it is due one usual gap after the last purchase.
    """
    if len(own.days) < MIN_PURCHASES:
        return None
    gap = float(median(later - earlier for earlier, later in pairwise(own.days)))
    since = (now - own.last_at) / _DAY
    if outlook is None:
        return Due(gap, since, own.last_at + gap * _DAY)
    return Due(gap, since, now + outlook.days * _DAY, outlook.chance)
