"""What a benchmark says: figures with their units, the target beside each, and the bare limit of the same run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Sense(StrEnum):
    """On which side of its target a figure should lie."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should reach, in the figure's own unit."""

    sense: Sense
    value: float

    def is_met_by(self, value: float) -> bool:
        return value >= self.value if self.sense is Sense.AT_LEAST else value <= self.value


@dataclass(frozen=True, slots=True)
class Bare:
    """The same work without the product: what this machine can do at all. `value` is in the figure's unit."""

    what: str
    value: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; `note` says what a reader must know to judge it."""

    name: str
    value: float
    unit: str
    target: Target | None = None
    bare: Bare | None = None
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """None when there is no target."""
        return None if self.target is None else self.target.is_met_by(self.value)

    @property
    def ratio(self) -> float | None:
        """Return the figure as a multiple of the bare limit; None when there is none."""
        return None if self.bare is None else ratio(self.value, self.bare.value)

    def document(self) -> dict[str, Any]:
        """Return the JSON form; numbers with the digits that mean something."""
        return {
            "name": self.name,
            "value": significant(self.value),
            "unit": self.unit,
            "target": None if self.target is None else f"{self.target.sense} {self.target.value:g}",
            "is_met": self.is_met,
            "bare": None if self.bare is None else {"what": self.bare.what, "value": significant(self.bare.value)},
            "ratio_to_bare": None if self.ratio is None else significant(self.ratio),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """One benchmark: its figures, its sizes in words, how long it took, and how busy the machine was before it.

    `load_before` is the number of other programs that wanted a core in the minute before (load average).
    """

    bench: str
    setting: str
    figures: Sequence[Figure]
    seconds: float
    load_before: float

    def document(self) -> dict[str, Any]:
        return {
            "bench": self.bench,
            "setting": self.setting,
            "seconds": round(self.seconds, 1),
            "load_before": round(self.load_before, 2),
            "figures": [figure.document() for figure in self.figures],
        }


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution of times, in milliseconds."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, times_ms: Sequence[float]) -> "Spread":
        """Summarise; raise ValueError when there is none."""
        ordered = sorted(times_ms)
        p50, p95, p99 = (percentile(ordered, share) for share in (0.50, 0.95, 0.99))
        return cls(len(ordered), p50, p95, p99, ordered[-1])


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of the rising values do not exceed.

    Nearest rank: always a value that was measured. Raises ValueError when there is none.
    """
    if not ordered:
        raise ValueError("nothing was measured")
    # Rounded first: 0.95 * 20 is a little more than 19 in binary, and must not become 20.
    rank = math.ceil(round(share * len(ordered), 9))
    return ordered[max(rank, 1) - 1]


def ratio(value: float, bare: float) -> float | None:
    """Return value / bare; None when the bare run was too quick or too idle to divide by."""
    return value / bare if bare > 0 else None


def significant(value: float, digits: int = 4) -> float:
    """Round to so many significant digits, never in front of the decimal point."""
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))
