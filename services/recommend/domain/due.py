"""Owns when a customer will need a product again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from services.recommend.domain.purchases import OwnProduct

MIN_PURCHASES = 3
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """The usual rhythm of one product. `ratio` is days since / usual gap: 1 is due, above is overdue."""

    usual_gap_days: float
    since_days: float
    due_at: datetime

    @property
    def ratio(self) -> float:
        return self.since_days / self.usual_gap_days


def due_of(own: OwnProduct, now: datetime) -> Due | None:
    """Return when the product is due; None below three purchases on different days: two make no rhythm.

    The usual gap is the median of the gaps between the kept purchases (one holiday does not move it); purchases of
    one calendar day, in UTC, are one.
    """
    days = sorted({bought.at.date() for bought in own.recent})
    if len(days) < MIN_PURCHASES:
        return None
    gap = median((later - earlier).days for earlier, later in pairwise(days))
    return Due(float(gap), (now - own.last_at) / _DAY, own.last_at + gap * _DAY)
