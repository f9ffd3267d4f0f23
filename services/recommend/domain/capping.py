"""Owns the frequency cap: what a customer was shown often and did not want steps back."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

SHOWN_MAX = 100
DAYS_MAX = 60


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a customer was shown lately, list by list, and when they last clicked or bought each product."""

    shown: Sequence[tuple[datetime, Sequence[str]]] = ()
    taken: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrequencyCap:
    """A product shown `shown_max` times within `days`, and not clicked or bought since, steps back."""

    shown_max: int
    days: int

    def capped(self, exposure: Exposure, now: datetime) -> frozenset[str]:
        """Return what steps back at a moment; counting starts anew when the customer takes a product up."""
        since = now - timedelta(days=self.days)
        times: Counter[str] = Counter()
        for shown_at, product_ids in exposure.shown:
            if since <= shown_at <= now:
                times.update(name for name in product_ids if not _taken_since(exposure, name, shown_at))
        return frozenset(name for name, count in times.items() if count >= self.shown_max)


def _taken_since(exposure: Exposure, product_id: str, shown_at: datetime) -> bool:
    taken_at = exposure.taken.get(product_id)
    return taken_at is not None and taken_at >= shown_at
