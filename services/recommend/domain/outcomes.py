"""Owns what an experiment counts: figures per person, summed so that millions of them take a few numbers.

Every figure is a ratio of two sums over people, such as clicked lists to lists. People are the units that were drawn
into variants, so variances are taken over people (delta method): a person's lists are not independent of each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

FIGURES: Mapping[str, tuple[str, str]] = {
    "click_through": ("clicked_lists", "lists"),
    "attributed_purchases": ("attributed", "people"),
    "attributed_after_click": ("attributed_clicked", "people"),
    "attributed_buyers": ("is_buyer", "people"),
    "products_bought": ("products_bought", "people"),
    "fallback_share": ("fallback_lists", "lists"),
    "empty_share": ("empty_lists", "lists"),
    "latency_ms": ("took_ms", "timed_lists"),
}
"""Each figure's numerator and denominator, as attributes of Outcome."""
GUARD_RAILS = frozenset({"fallback_share", "empty_share", "latency_ms"})
"""Figures that must not rise, whatever else does; of these less is better."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one person's lists in an experiment."""

    lists: int
    clicked_lists: int = 0
    fallback_lists: int = 0
    empty_lists: int = 0
    took_ms: float = 0.0
    timed_lists: int = 0
    attributed: int = 0
    attributed_clicked: int = 0
    products_bought: int = 0
    won: int = 0
    lost: int = 0

    @property
    def people(self) -> int:
        return 1

    @property
    def is_buyer(self) -> bool:
        return self.attributed > 0


@dataclass(slots=True)
class Sums:
    """The sums of x, y and their products over people, of a ratio x to y."""

    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    yy: float = 0.0
    xy: float = 0.0

    def add(self, x: float, y: float) -> None:
        self.x += x
        self.y += y
        self.xx += x * x
        self.yy += y * y
        self.xy += x * y


@dataclass(slots=True)
class Tally:
    """All sums of one variant. Of an interleaving also how many people acted more on the second list's products."""

    people: int = 0
    sums: dict[str, Sums] = field(default_factory=lambda: {name: Sums() for name in FIGURES})
    wins: int = 0
    losses: int = 0
    ties: int = 0

    def add(self, outcome: Outcome) -> None:
        self.people += 1
        for name, (above, below) in FIGURES.items():
            self.sums[name].add(float(getattr(outcome, above)), float(getattr(outcome, below)))
        self.wins += outcome.won > outcome.lost
        self.losses += outcome.won < outcome.lost
        self.ties += outcome.won == outcome.lost

    def to_json(self) -> dict[str, Any]:
        sums = {name: [each.x, each.y, each.xx, each.yy, each.xy] for name, each in self.sums.items()}
        return {"people": self.people, "sums": sums, "wins": self.wins, "losses": self.losses, "ties": self.ties}

    @classmethod
    def of_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; a figure that was not counted then is empty."""
        sums = {name: Sums(*raw["sums"].get(name, ())) for name in FIGURES}
        return cls(raw["people"], sums, raw["wins"], raw["losses"], raw["ties"])


@dataclass(frozen=True, slots=True)
class Counted:
    """An experiment's tallies by variant, and the moment up to which everything is in them."""

    as_of: datetime
    tallies: Mapping[str, Tally]
    people_cut: int = 0
