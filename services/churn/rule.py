"""Owns `rule-1`, what is said before any model is trained: the present silence against the customer's own gaps. Pure.

Gaps are taken as exponential with the own 90th percentile p: one in 10^(d / p) is longer than d days. A customer is
lost when the silence exceeds the limit (`labels.own_limit_days`).
"""

import math
from dataclasses import dataclass
from typing import Self

VERSION = "rule-1"
WEEKS = 12
LIMIT_DAYS = 28
CHANCE_MIN = 1e-6


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A customer's gaps between visits, days: their mean, 90th percentile, and the limit of silence."""

    mean_days: float
    p90_days: float
    limit_days: float

    @classmethod
    def of(cls, mean_days: float, p90_days: float, limit_days: float) -> Self:
        """Take half the limit for a mean and the limit for a percentile that are not known (NaN)."""
        mean = limit_days / 2 if math.isnan(mean_days) else max(mean_days, 1.0)
        p90 = limit_days if math.isnan(p90_days) else max(p90_days, 1.0)
        return cls(mean, p90, limit_days)

    def chance_of_silence(self, days: float) -> float:
        """Return the chance of no visit for so many days."""
        chance: float = 0.1 ** (max(days, 0.0) / self.p90_days)
        return min(max(chance, CHANCE_MIN), 1 - CHANCE_MIN)

    def weekly_hazard(self, week: int, silence_days: float) -> float:
        """Return the chance to be lost in week 0.. from now, when not lost before."""
        left = max(self.limit_days - silence_days, 0.0)
        if week == left // 7:
            return self.chance_of_silence(left)
        if 7 * week < left:
            return CHANCE_MIN
        # The present silence was broken; one of those begun since may become too long.
        begun = min(1.0, 7 / self.mean_days)
        return max(begun * self.chance_of_silence(self.limit_days), CHANCE_MIN)


def loss_curve(rhythm: Rhythm, silence_days: float) -> list[float]:
    """Return the probability of being lost within 1..12 weeks."""
    remaining, curve = 1.0, []
    for week in range(WEEKS):
        remaining *= 1 - rhythm.weekly_hazard(week, silence_days)
        curve.append(1 - remaining)
    return curve
