"""How wrong a terminal's clock is, from several exchanges with it.

One exchange is the terminal's time against ours: the time at which it says to send, or that of a receipt sent at
once. What was sent late (a backlog) tells nothing of the clock, only of the line, and is never an exchange.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

EXCHANGES_MIN = 5
EXCHANGES_MAX = 15
AGREE_SECONDS = 90
SKEW_MINUTES_MIN = 2
"""A smaller skew is the network's or a matter of rounding, and corrects nothing."""
IMPLAUSIBLE_MINUTES = 30
CORRECTED_MINUTES_MAX = 24 * 60
"""A clock that is further off may be off for a reason that we do not know: it is listed and not corrected."""
AT_ONCE_RECEIPTS_MAX = 3
"""An upload of more of a terminal's receipts was saved up, and their times are no exchanges."""
AT_ONCE_MAX = timedelta(hours=4)
BEHIND_SECONDS_MAX = 2_000_000_000
"""Of a clock that shows another century; it is listed all the same."""

Terminal = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What one item tells of its terminal's clock."""

    terminal: Terminal
    device_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Clock:
    """A terminal's clock as far as it is known. `skew_minutes` is added to its time; above 0: it is behind."""

    exchanges: tuple[int, ...] = ()
    """Seconds that it was behind, the newest last."""
    skew_minutes: int = 0
    is_settled: bool = False
    """Whether most of the exchanges agree."""

    @property
    def is_implausible(self) -> bool:
        return abs(self.skew_minutes) >= IMPLAUSIBLE_MINUTES

    @property
    def correction_minutes(self) -> int:
        """Minutes to add to the terminal's time; 0 where it is right enough, or too wrong to be believed."""
        is_applied = SKEW_MINUTES_MIN <= abs(self.skew_minutes) <= CORRECTED_MINUTES_MAX
        return self.skew_minutes if is_applied else 0


def exchange_of(readings: Collection[ClockReading], received_at: datetime) -> int | None:
    """Return how many seconds one terminal's clock was behind, by one request; None where it does not tell."""
    sent = [reading.sent_at for reading in readings if reading.sent_at is not None]
    if sent:
        behind = round((received_at - max(sent)).total_seconds())
        return min(max(behind, -BEHIND_SECONDS_MAX), BEHIND_SECONDS_MAX)
    if len(readings) > AT_ONCE_RECEIPTS_MAX:
        return None
    late = received_at - max(reading.device_at for reading in readings)
    return round(late.total_seconds()) if late < AT_ONCE_MAX else None


def observed(clock: Clock, exchanges: Sequence[int]) -> Clock:
    """Return the clock after further exchanges.

    The median of the last ones, rounded to minutes, once most of them agree with it; else what was known stands,
    so that single outliers, and receipts that were late by whatever it was, move nothing.
    """
    kept = (*clock.exchanges, *exchanges)[-EXCHANGES_MAX:]
    if len(kept) < EXCHANGES_MIN:
        return Clock(kept, clock.skew_minutes, clock.is_settled)
    middle = median(kept)
    agreeing = [seconds for seconds in kept if abs(seconds - middle) <= AGREE_SECONDS]
    if 5 * len(agreeing) < 3 * len(kept):
        return Clock(kept, clock.skew_minutes, is_settled=False)
    return Clock(kept, round(median(agreeing) / 60), is_settled=True)
