"""Owns what a scoring does to a customer's warning: leave it, raise it, change its level, close it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

LEVEL_NAMES = ("none", "watch", "elevated", "high", "critical")
"""By number; the same order as `domain.Level`, without its libraries."""

LEVELS_FOR_EARLY_RETURN = 2
ALREADY_LOST = "already_lost"

Outcome = Literal["returned", "cleared", "lapsed", "dismissed", "erased"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a scoring found of a customer, as far as warnings need it."""

    level: int
    state: str
    last_visit: date


@dataclass(frozen=True, slots=True)
class OpenWarning:
    """A warning as it stands open."""

    warning_id: UUID
    customer_id: UUID
    level: int
    opened_as_of: date


@dataclass(frozen=True, slots=True)
class ClosedWarning:
    """The last warning of a customer that has none open."""

    level: int
    closed_as_of: date


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of open warnings: the outcome of those that end, the new level of those that change."""

    closed: Mapping[UUID, Outcome]
    changed: Mapping[UUID, int]


def fates(open_warnings: Mapping[UUID, OpenWarning], standings: Mapping[UUID, Standing]) -> Fate:
    """Decide for every customer with an open warning; one who is not scored was merged into another."""
    closed: dict[UUID, Outcome] = {}
    changed: dict[UUID, int] = {}
    for customer_id, warning in open_warnings.items():
        standing = standings.get(customer_id)
        outcome = _outcome(warning, standing)
        if outcome is not None:
            closed[customer_id] = outcome
        elif standing is not None and standing.level != warning.level:
            changed[customer_id] = standing.level
    return Fate(closed, changed)


def _outcome(warning: OpenWarning, standing: Standing | None) -> Outcome | None:
    if standing is None:
        return "cleared"
    if standing.state == ALREADY_LOST:
        return "lapsed"
    if standing.level:
        return None
    return "returned" if standing.last_visit > warning.opened_as_of else "cleared"


def may_be_warned(level: int, last: ClosedWarning | None, *, is_open: bool, as_of: date, cooldown_days: int) -> bool:
    """Say whether a new warning may be opened.

    Nobody has two at once, and after one ended there is peace for a while, unless things have got two levels
    worse than they were.
    """
    if not level or is_open:
        return False
    if last is None or (as_of - last.closed_as_of).days >= cooldown_days:
        return True
    return level >= last.level + LEVELS_FOR_EARLY_RETURN
