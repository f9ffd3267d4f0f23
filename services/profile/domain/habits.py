"""When and where somebody shops: the usual gap between visits, the usual store, the usual hour."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.profile.domain.purchases import Visit

T = TypeVar("T", str, int)

GAPS_LOOKED_AT = 20
GAPS_NEEDED = 2
WEEKEND = frozenset({5, 6})


@dataclass(frozen=True, slots=True)
class Habits:
    """Figures over the latest visits of one customer (rising in time). Shares are 0 to 1."""

    visit_days: int = 0
    usual_gap_days: float | None = None
    usual_store_id: str | None = None
    usual_store_share: float = 0.0
    usual_hour: int | None = None
    weekend_share: float = 0.0
    coupon_share: float = 0.0
    visits: int = 0


def habits_of(visits: Sequence[Visit], store_zones: Mapping[str, str], chain_zone: str) -> Habits:
    """Return the habits that the visits show; `store_zones` maps stores to IANA zones."""
    if not visits:
        return Habits()
    days = visit_days(visits)
    store_id, at_store = _most_frequent([visit.store_id for visit in visits])
    hours = [local_time(visit, store_zones, chain_zone).hour for visit in visits]
    weekend = sum(visit.business_date.weekday() in WEEKEND for visit in visits)
    return Habits(
        visit_days=len(days),
        usual_gap_days=usual_gap_days(days),
        usual_store_id=store_id,
        usual_store_share=at_store / len(visits),
        usual_hour=_most_frequent(hours)[0],
        weekend_share=weekend / len(visits),
        coupon_share=sum(visit.used_coupon for visit in visits) / len(visits),
        visits=len(visits),
    )


def visit_days(visits: Sequence[Visit]) -> list[date]:
    """Return the business days with a visit, rising; two receipts of one day are one visit."""
    return sorted({visit.business_date for visit in visits})


def gaps(days: Sequence[date]) -> list[int]:
    """Return the days between one visit day and the next."""
    return [(later - earlier).days for earlier, later in pairwise(days)]


def usual_gap_days(days: Sequence[date]) -> float | None:
    """Return the median of the latest gaps; None where there are too few to speak of a habit."""
    latest = gaps(days)[-GAPS_LOOKED_AT:]
    return float(median(latest)) if len(latest) >= GAPS_NEEDED else None


def local_time(visit: Visit, store_zones: Mapping[str, str], chain_zone: str) -> datetime:
    """Return the visit's time on the wall of its store.

    The store's own zone is best; else the till's offset, where it told one (0 is what tills say that know
    none); else the chain's zone.
    """
    zone = _zone(store_zones.get(visit.store_id, ""))
    if zone is None and visit.utc_offset_minutes:
        return visit.at + timedelta(minutes=visit.utc_offset_minutes)
    return visit.at.astimezone(zone or ZoneInfo(chain_zone))


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def _most_frequent(values: Sequence[T]) -> tuple[T, int]:
    """Return the most frequent value and how often it comes; among equals, the one seen last."""
    counts = Counter(values)
    last = {value: place for place, value in enumerate(values)}
    best = max(counts, key=lambda value: (counts[value], last[value]))
    return best, counts[best]
