"""What is counted of a source: figures that only add up, so that many processes can count side by side."""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Self

LATE_FROM = timedelta(hours=1)
"""An event that took longer to reach us counts as late."""

ViolationKey = tuple[str, str, str, str]
"""Source, event, rule, path."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of the events of one source on one day."""

    accepted: int = 0
    repeated: int = 0
    conflicts: int = 0
    refused: int = 0
    dropped: int = 0
    bots: int = 0
    """Events of crawlers, flagged or dropped."""
    violations: int = 0
    """Events that were not as planned, whatever became of them."""
    corrected: int = 0
    late: int = 0
    limited: int = 0
    """Events in requests that were answered 429; nothing of them was looked at."""

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(getattr(self, name) + getattr(other, name) for name in COUNTED))


COUNTED: tuple[str, ...] = tuple(one.name for one in fields(Figures))


@dataclass(frozen=True, slots=True)
class Tallied:
    """How often something was seen, and when last."""

    times: int
    last_at: datetime

    def plus(self, other: Self) -> Self:
        return replace(self, times=self.times + other.times, last_at=max(self.last_at, other.last_at))


@dataclass(frozen=True, slots=True)
class ViolationTally:
    """How often a plan was broken in one way, with the newest sample."""

    message: str
    times: int
    first_at: datetime
    last_at: datetime
    sample: str

    def plus(self, other: "ViolationTally") -> "ViolationTally":
        newest = max(self, other, key=lambda one: one.last_at)
        return replace(
            newest,
            times=self.times + other.times,
            first_at=min(self.first_at, other.first_at),
        )

    def anonymous(self) -> "ViolationTally":
        return replace(self, message="more kinds of violation than are listed one by one", sample="{}")


def is_late(occurred_at: datetime, received_at: datetime) -> bool:
    return received_at - occurred_at > LATE_FROM
