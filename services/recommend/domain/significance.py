"""Owns what figures of an experiment prove: differences with intervals, the ratio check, the preference test.

Sources: delta method for ratios (Deng, Knoblich, Lu 2018); sample-ratio check by chi-square (Fabijan et al. 2019);
intervals that hold however often one looks: the asymptotic confidence sequence of Waudby-Smith et al. (2021).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from scipy.special import bdtr, chdtrc

from services.recommend.domain.outcomes import Sums

CONFIDENCE = 0.95
RATIO_ALARM = 0.001
"""Below this chance of such an uneven split by luck, the result is not to be believed."""
TIGHTEST_PEOPLE = 1_000
"""At how many people a variant the interval that may always be looked at is tightest, beside the fixed one."""
PEOPLE_LEAST = 30
"""With fewer people in a variant the normal approximation is not to be relied on."""
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of a variant less that of the first. `always` is the interval that may be looked at every day."""

    value: float
    low: float
    high: float
    p_value: float
    always: tuple[float, float]

    @property
    def is_proven(self) -> bool:
        return not self.low <= 0 <= self.high

    @property
    def is_proven_always(self) -> bool:
        return not self.always[0] <= 0 <= self.always[1]


@dataclass(frozen=True, slots=True)
class RatioCheck:
    """Whether people came to the variants in the shares that were asked for."""

    p_value: float
    expected: Mapping[str, float]
    found: Mapping[str, int]

    @property
    def is_alarming(self) -> bool:
        return self.p_value < RATIO_ALARM


@dataclass(frozen=True, slots=True)
class Preference:
    """Of an interleaving: the share of decided people who acted more on the second variant's products."""

    share: float
    low: float
    high: float
    p_value: float
    wins: int
    losses: int
    ties: int


def ratio(sums: Sums, people: int) -> Estimate | None:
    """Return a figure with its interval over people; None where nothing was counted."""
    spread = _error(sums, people)
    if spread is None:
        return None
    value = sums.x / sums.y
    return Estimate(value, value - _Z * spread, value + _Z * spread)


def difference(first: tuple[Sums, int], other: tuple[Sums, int]) -> Difference | None:
    """Return the other variant's figure less the first's; None where one of them counted nothing."""
    errors = _error(*first), _error(*other)
    if errors[0] is None or errors[1] is None:
        return None
    gap = other[0].x / other[0].y - first[0].x / first[0].y
    error = math.hypot(errors[0], errors[1])
    wide = always_valid(error, min(first[1], other[1]))
    p_value = 2 * NormalDist().cdf(-abs(gap) / error) if error else float(gap == 0)
    return Difference(gap, gap - _Z * error, gap + _Z * error, p_value, (gap - wide, gap + wide))


def always_valid(error: float, people: int) -> float:
    """Return the half-width that holds at all sample sizes at once: wider than the fixed one."""
    if people <= 0:
        return math.inf
    alpha = 1 - CONFIDENCE
    rho_squared = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / TIGHTEST_PEOPLE
    grown = people * rho_squared + 1
    spread = error * math.sqrt(people)
    return spread * math.sqrt(2 * grown / (people**2 * rho_squared) * math.log(math.sqrt(grown) / alpha))


def _error(sums: Sums, people: int) -> float | None:
    """Return the standard error of x/y by the delta method; None below two people or without a denominator."""
    if people < 2 or not sums.y:
        return None
    value = sums.x / sums.y
    squares = sums.xx - 2 * value * sums.xy + value * value * sums.yy
    return math.sqrt(max(squares, 0.0) * people / (people - 1)) / sums.y


def ratio_check(expected: Mapping[str, float], found: Mapping[str, int]) -> RatioCheck:
    """Compare how many people each variant has with its share, by chi-square."""
    total = sum(found.values())
    parts = [(found.get(name, 0) - total * share) ** 2 / (total * share) for name, share in expected.items() if total]
    p_value = float(chdtrc(len(expected) - 1, sum(parts))) if len(expected) > 1 else 1.0
    return RatioCheck(p_value, dict(expected), {name: found.get(name, 0) for name in expected})


def preference(wins: int, losses: int, ties: int) -> Preference | None:
    """Test the sign of each person's preference (exact binomial, two-sided); None while nobody preferred any."""
    decided = wins + losses
    if not decided:
        return None
    p_value = min(1.0, 2 * float(bdtr(min(wins, losses), decided, 0.5)))
    low, high = _wilson(wins, decided)
    return Preference(wins / decided, low, high, p_value, wins, losses, ties)


def _wilson(hits: int, trials: int) -> tuple[float, float]:
    share, shrink = hits / trials, 1 + _Z**2 / trials
    centre = (share + _Z**2 / (2 * trials)) / shrink
    half = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2)) / shrink
    return centre - half, centre + half
