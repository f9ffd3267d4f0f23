"""The stages of a customer's life, and the next moment at which time alone may change one.

prospect   known, but has bought nothing yet (or all of it was voided)
new        first bought within NEW_DAYS
active     buys
loyal      buys: on at least LOYAL_VISIT_DAYS days, for at least LOYAL_DAYS
returned   bought again within RETURNED_DAYS after a silence that counted as lost
slipping   silent for more than SLIPPING_GAPS usual gaps (within SLIPPING_DAYS)
lost       silent for more than LOST_GAPS usual gaps (within LOST_DAYS)
absorbed   is part of another customer now, was erased, or nothing is known of any more

Silence is judged first: who is silent for too long is slipping or lost, however loyal before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.profile.domain.habits import usual_gap_days, visit_days
from services.profile.domain.purchases import Visit

PROSPECT, NEW, ACTIVE, LOYAL, RETURNED, SLIPPING, LOST, ABSORBED = (
    "prospect",
    "new",
    "active",
    "loyal",
    "returned",
    "slipping",
    "lost",
    "absorbed",
)

NEW_DAYS = 30
RETURNED_DAYS = 30
LOYAL_VISIT_DAYS = 10
LOYAL_DAYS = 90
SLIPPING_GAPS = 2.0
SLIPPING_DAYS = (21.0, 120.0)
LOST_GAPS = 4.0
LOST_DAYS = (60.0, 365.0)
GAP_DAYS_ASSUMED = 30.0
"""The usual gap of somebody who has not come often enough to have one."""


@dataclass(frozen=True, slots=True)
class Life:
    """The stage as of a moment, and when it must be looked at again (None: only a purchase changes it)."""

    stage: str
    review_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """After how much silence this customer slips, and is lost."""

    slipping: timedelta
    lost: timedelta


def limits_of(gap_days: float | None) -> Limits:
    """Return the limits for a usual gap: a weekly shopper is missed sooner than a monthly one."""
    gap = GAP_DAYS_ASSUMED if gap_days is None else gap_days
    return Limits(
        slipping=timedelta(days=_within(gap * SLIPPING_GAPS, SLIPPING_DAYS)),
        lost=timedelta(days=_within(gap * LOST_GAPS, LOST_DAYS)),
    )


def life_of(visits: Sequence[Visit], first_at: datetime | None, now: datetime) -> Life:
    """Return the stage of a customer whose latest visits (rising in time) these are, first bought `first_at`."""
    if not visits or first_at is None:
        return Life(PROSPECT)
    days = visit_days(visits)
    marks = _Marks(
        visit_days=len(days),
        first_at=first_at,
        last_at=visits[-1].at,
        came_back_at=_came_back_at(visits),
        limits=limits_of(usual_gap_days(days)),
    )
    return Life(_stage(marks, now), min((turn for turn in _turns(marks) if turn > now), default=None))


@dataclass(frozen=True, slots=True)
class _Marks:
    """What decides the stage."""

    visit_days: int
    first_at: datetime
    last_at: datetime
    came_back_at: datetime | None
    limits: Limits


def _stage(marks: _Marks, now: datetime) -> str:
    silence = now - marks.last_at
    if silence >= marks.limits.slipping:
        return LOST if silence >= marks.limits.lost else SLIPPING
    if marks.came_back_at is not None and now - marks.came_back_at < timedelta(days=RETURNED_DAYS):
        return RETURNED
    age = now - marks.first_at
    if age < timedelta(days=NEW_DAYS):
        return NEW
    is_loyal = marks.visit_days >= LOYAL_VISIT_DAYS and age >= timedelta(days=LOYAL_DAYS)
    return LOYAL if is_loyal else ACTIVE


def _turns(marks: _Marks) -> Iterator[datetime]:
    """Yield every moment at which the stage may turn without another purchase."""
    yield marks.last_at + marks.limits.slipping
    yield marks.last_at + marks.limits.lost
    yield marks.first_at + timedelta(days=NEW_DAYS)
    yield marks.first_at + timedelta(days=LOYAL_DAYS)
    if marks.came_back_at is not None:
        yield marks.came_back_at + timedelta(days=RETURNED_DAYS)


def _came_back_at(visits: Sequence[Visit]) -> datetime | None:
    """Return the latest visit that ended a silence long enough to have counted as lost at the time."""
    for place in range(len(visits) - 1, 0, -1):
        before = visits[:place]
        silence = visits[place].at - visits[place - 1].at
        if silence < timedelta(days=LOST_DAYS[0]):
            continue
        if silence >= limits_of(usual_gap_days(visit_days(before))).lost:
            return visits[place].at
    return None


def _within(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])
