"""Did it work? Treated against hold-out, with intervals, and what could have been seen at all."""

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

_Z = NormalDist().inv_cdf(0.975)
_POWER_Z = NormalDist().inv_cdf(0.8)
CUSTOMERS_MIN = 30
SRM_P = 0.001


class Finding(StrEnum):
    """What the comparison says, in one word."""

    NOT_ENOUGH_YET = "not_enough_yet"
    NO_DIFFERENCE_SHOWN = "no_difference_shown"
    MORE = "more"
    LESS = "less"


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm's outcome as drawn (intention to treat), those who bought nothing included.

    `net_minor` is the sum of the customers' net spends, `net_squares` the sum of their squares.
    """

    customers: int
    buyers: int
    net_minor: int
    net_squares: int

    @property
    def mean(self) -> float:
        """Net spend per customer, minor units."""
        return self.net_minor / self.customers if self.customers else 0.0

    @property
    def share(self) -> float:
        """Share of customers who bought."""
        return self.buyers / self.customers if self.customers else 0.0

    @property
    def variance(self) -> float:
        """Sample variance of the net spend per customer, from exact integer sums."""
        if self.customers < 2:
            return 0.0
        spread = self.customers * self.net_squares - self.net_minor**2
        return spread / (self.customers * (self.customers - 1))


@dataclass(frozen=True, slots=True)
class Difference:
    """Treated less hold-out, with its 95 % interval."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> "Difference":
        return Difference(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole comparison.

    Spends, the smallest detectable difference too, are minor units per customer; shares are between 0 and 1.
    """

    spend: Difference
    buyers: Difference
    incremental_minor: Difference
    smallest_detectable: float
    sample_ratio_p: float
    finding: Finding
    reason: str

    @property
    def is_sample_ratio_suspect(self) -> bool:
        return self.sample_ratio_p < SRM_P


def compare(
    treated: ArmFigures,
    hold_out: ArmFigures,
    *,
    holdout_share: float,
    smallest_effect_share: float,
    is_window_over: bool,
) -> Comparison:
    """Compare the arms.

    `smallest_effect_share`: the difference that matters, as a share of the hold-out's mean; while a smaller
    one than that could not have been told from chance, a missing difference says nothing.
    """
    spend = welch(treated, hold_out)
    detectable = smallest_detectable(
        math.sqrt((treated.variance + hold_out.variance) / 2), treated.customers, hold_out.customers
    )
    matters = smallest_effect_share * abs(hold_out.mean)
    finding, reason = _finding(min(treated.customers, hold_out.customers), spend, detectable, matters)
    if finding is not Finding.NOT_ENOUGH_YET and not is_window_over:
        finding, reason = Finding.NOT_ENOUGH_YET, "the outcome window is still open"
    return Comparison(
        spend=spend,
        buyers=newcombe(treated.buyers, treated.customers, hold_out.buyers, hold_out.customers),
        incremental_minor=spend.scaled(treated.customers),
        smallest_detectable=detectable,
        sample_ratio_p=sample_ratio_p(hold_out.customers, treated.customers + hold_out.customers, holdout_share),
        finding=finding,
        reason=reason,
    )


def _finding(fewest: int, spend: Difference, detectable: float, matters: float) -> tuple[Finding, str]:
    if fewest < CUSTOMERS_MIN:
        reason = f"the smaller group has {fewest} customers; fewer than {CUSTOMERS_MIN} say nothing"
        return Finding.NOT_ENOUGH_YET, reason
    if spend.low > 0:
        return Finding.MORE, "treated customers spent more, beyond chance"
    if spend.high < 0:
        return Finding.LESS, "treated customers spent less, beyond chance"
    if detectable > matters:
        return Finding.NOT_ENOUGH_YET, "too few customers to tell the difference that matters from chance"
    return Finding.NO_DIFFERENCE_SHOWN, "no difference beyond chance"


def welch(treated: ArmFigures, hold_out: ArmFigures) -> Difference:
    """Return the difference of means with Welch's interval.

    B. L. Welch, "The generalization of Student's problem when several different population variances are
    involved", Biometrika 34 (1947); degrees of freedom after Satterthwaite (1946).
    """
    value = treated.mean - hold_out.mean
    if min(treated.customers, hold_out.customers) < 2:
        return Difference(value, -math.inf, math.inf)
    a, b = treated.variance / treated.customers, hold_out.variance / hold_out.customers
    if a + b == 0:
        return Difference(value, value, value)
    freedom = (a + b) ** 2 / (a**2 / (treated.customers - 1) + b**2 / (hold_out.customers - 1))
    half = student_quantile(freedom) * math.sqrt(a + b)
    return Difference(value, value - half, value + half)


def student_quantile(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t.

    By its expansion in the normal quantile: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5;
    good to three digits from five degrees of freedom on, and fewer than 30 customers are never judged.
    """
    z, n = _Z, max(freedom, 1.0)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / n**power for power, term in enumerate(terms, 1))


def newcombe(buyers_a: int, customers_a: int, buyers_b: int, customers_b: int) -> Difference:
    """Return the difference of two shares with its interval.

    R. G. Newcombe, "Interval estimation for the difference between independent proportions", Statistics in
    Medicine 17 (1998), method 10: built from both shares' Wilson intervals.
    """
    if not customers_a or not customers_b:
        return Difference(0.0, -1.0, 1.0)
    a, b = buyers_a / customers_a, buyers_b / customers_b
    low_a, high_a = wilson(buyers_a, customers_a)
    low_b, high_b = wilson(buyers_b, customers_b)
    below = math.hypot(a - low_a, high_b - b)
    above = math.hypot(high_a - a, b - low_b)
    return Difference(a - b, a - b - below, a - b + above)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927)."""
    share, z2 = successes / trials, _Z**2
    centre = share + z2 / (2 * trials)
    half = _Z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return (centre - half) / (1 + z2 / trials), (centre + half) / (1 + z2 / trials)


def smallest_detectable(deviation: float, treated: int, hold_out: int) -> float:
    """Return the difference of means that would be found in four of five such campaigns (5 % two-sided)."""
    if not treated or not hold_out:
        return math.inf
    return (_Z + _POWER_Z) * deviation * math.sqrt(1 / treated + 1 / hold_out)


def sample_ratio_p(hold_out: int, customers: int, holdout_share: float) -> float:
    """Return how likely a split at least this uneven is by chance (two-sided); below 0.001 the draw is suspect.

    The normal approximation of the binomial with a continuity correction; an audience without a hold-out, or
    of hold-out alone, is as planned.
    """
    if not customers or holdout_share in {0.0, 1.0}:
        return 1.0
    deviation = math.sqrt(customers * holdout_share * (1 - holdout_share))
    distance = max(abs(hold_out - customers * holdout_share) - 0.5, 0.0) / deviation
    return math.erfc(distance / math.sqrt(2))
