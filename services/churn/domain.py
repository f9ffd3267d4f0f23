"""Owns the warning rules: states, levels with hysteresis, when, money at risk, which warnings to open."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np

from services.churn.visits import Bools, Floats, Ints

VISITS_FOR_HISTORY = 4
KNOWN_DAYS_FOR_HISTORY = 28
RISK_WEEKS = 8
PACE_DAYS = 112


class State(StrEnum):
    INSUFFICIENT_HISTORY = "insufficient_history"
    ACTIVE = "active"
    AT_RISK = "at_risk"
    ALREADY_LOST = "already_lost"


class Level(IntEnum):
    """Ordered: a higher value is more urgent. NONE is no warning."""

    NONE = 0
    WATCH = 1
    ELEVATED = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True)
class LevelRule:
    """When a level is entered and left.

    It is entered inside the top `enter_share` of the value tier and left outside `leave_share`. Below
    `probability_min` of being lost within 8 weeks nobody enters it, however the others stand.
    """

    level: Level
    enter_share: float
    leave_share: float
    probability_min: float


LEVEL_RULES = (
    LevelRule(Level.CRITICAL, 0.01, 0.02, 0.50),
    LevelRule(Level.HIGH, 0.025, 0.05, 0.40),
    LevelRule(Level.ELEVATED, 0.05, 0.10, 0.30),
    LevelRule(Level.WATCH, 0.10, 0.20, 0.20),
)


def next_level(
    previous: Level, top_share: float, probability: float, rules: Sequence[LevelRule] = LEVEL_RULES
) -> Level:
    """Decide the level after one scoring.

    Rising is at once, falling only below the leaving bound of each level, so that a customer at a bound
    does not flip from week to week. `top_share` is the rank within the value tier as a share: 0.03 is
    among the highest 3 %.
    """
    for rule in rules:  # most urgent first
        bound = rule.leave_share if previous >= rule.level else rule.enter_share
        held = previous >= rule.level
        if top_share <= bound and (held or probability >= rule.probability_min):
            return rule.level
    return Level.NONE


def state_of(visits_364d: int, known_days: int, limit_days_left: float, level: Level) -> State:
    """`known_days` since the first known visit; `limit_days_left` negative: silent beyond the limit."""
    if visits_364d < VISITS_FOR_HISTORY or known_days < KNOWN_DAYS_FOR_HISTORY:
        return State.INSUFFICIENT_HISTORY
    if limit_days_left < 0:
        return State.ALREADY_LOST
    return State.AT_RISK if level > Level.NONE else State.ACTIVE


def expected_weeks(lost_by_week: Floats) -> tuple[int, int]:
    """First and last week of the middle half (25..75 %) of the loss expected within the curve's horizon.

    `lost_by_week[k - 1]` is the probability of being lost within k weeks. Weeks count from 1.
    """
    share = lost_by_week / lost_by_week[-1]
    low, high = (int(np.argmax(share >= quantile - 1e-12)) + 1 for quantile in (0.25, 0.75))
    return low, high


def value_at_risk_minor(spend_112d_minor: Floats, lost_within_8_weeks: Floats) -> Ints:
    """Pace of the last 112 days over 8 weeks times the probability of loss, whole minor units half up."""
    expected = spend_112d_minor / PACE_DAYS * (7 * RISK_WEEKS) * lost_within_8_weeks
    return np.floor(np.nan_to_num(expected) + 0.5).astype(np.int64)


def value_tiers(spend_112d_minor: Floats, tiers: int = 3) -> Ints:
    """Tier 0..tiers-1 by spend, equal in size, 0 the lowest; equal spend is in the same tier."""
    ordered = np.sort(spend_112d_minor)
    below = np.searchsorted(ordered, spend_112d_minor, side="left")
    return np.minimum(below * tiers // max(len(ordered), 1), tiers - 1).astype(np.int64)


def top_shares(score: Floats, tier: Ints) -> Floats:
    """Rank of each score within its tier as a share in (0, 1]: the highest of 200 has 0.005."""
    shares = np.empty(len(score))
    for one in np.unique(tier):
        inside = np.flatnonzero(tier == one)
        order = inside[np.argsort(-score[inside], kind="stable")]
        shares[order] = np.arange(1, len(order) + 1) / len(order)
    return shares


def urgency(alert_score: Floats, value_minor: Floats) -> Floats:
    """Order of the work list: risk times the square root of the value.

    By risk alone the list holds little money, by value alone few who leave (measured in docs/churn.md).
    """
    return alert_score * np.sqrt(np.maximum(value_minor, 0.0))


def to_warn(score: Floats, allowed: Bools, capacity: int) -> Ints:
    """Rows to open a warning for, highest score first: at most `capacity` of those allowed.

    `allowed` is false for rows outside the population, with an open warning, or cooling down.
    """
    rows = np.flatnonzero(allowed)
    order: Ints = rows[np.argsort(-score[rows], kind="stable")]
    return order[:capacity]
