"""Owns how far a list is spread over product types: the levels that may be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Diversity(StrEnum):
    OFF = "off"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Spread:
    """`weight` of what a product adds that the list has not, beside its relevance; at most `cap` of one type."""

    weight: float
    cap: int


SPREAD: Mapping[Diversity, Spread] = {
    Diversity.LOW: Spread(0.05, 3),
    Diversity.MEDIUM: Spread(0.13, 3),
    Diversity.HIGH: Spread(0.1, 1),
}
"""Chosen on baskets before the test's (`regulars evaluate recommend --part diversity`)."""
