"""Owns spreading a list over product types: a cap per type, filled up with what was held back."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from services.recommend.domain.requests import Item


class Diversity(StrEnum):
    OFF = "off"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


TYPE_CAP: Mapping[Diversity, int] = {Diversity.LOW: 4, Diversity.MEDIUM: 2, Diversity.HIGH: 1}
"""How many products of one type a list may hold before others come first."""

DEPTH = 3
"""How many times the limit is asked for, so that there is something else to show."""


def spread(items: Sequence[Item], types: Mapping[str, str | None], diversity: Diversity, limit: int) -> list[Item]:
    """Return the best `limit` items with at most the cap of each type; what exceeds it comes after all others.

    A product without a type is of no other's type. The ranks are counted anew.
    """
    if diversity is Diversity.OFF:
        return list(items[:limit])
    seen: Counter[str] = Counter()
    first: list[Item] = []
    held_back: list[Item] = []
    for item in items:
        kind = types.get(item.product_id) or item.product_id
        seen[kind] += 1
        (first if seen[kind] <= TYPE_CAP[diversity] else held_back).append(item)
    return [replace(item, rank=rank) for rank, item in enumerate((first + held_back)[:limit], start=1)]
