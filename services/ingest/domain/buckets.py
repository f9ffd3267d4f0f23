"""How much a source may send: a bucket that fills at its rate and holds its burst, and what is taken of it ahead."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Events a source may send on average, and at once."""

    events_per_second: int
    burst: int


@dataclass(slots=True)
class Bucket:
    """What is left of a source's limit; `at` are seconds of a clock."""

    limit: RateLimit
    left: float
    at: float

    @classmethod
    def full(cls, limit: RateLimit, at: float) -> "Bucket":
        return cls(limit, limit.burst, at)

    def missing(self, events: int, at: float) -> float:
        """Return how much room lacks for so many events; 0 or less where there is enough.

        A batch larger than the burst passes when the bucket is full and is paid for afterwards: otherwise its
        sender would try for ever.
        """
        rate = self.limit.events_per_second
        self.left = min(self.limit.burst, self.left + max(at - self.at, 0.0) * rate)
        self.at = at
        return min(events, self.limit.burst) - self.left

    def wait_seconds(self, events: int, at: float) -> int:
        """Return the whole seconds until there is room for so many events, 0 where there is."""
        missing = self.missing(events, at)
        return max(1, math.ceil(missing / self.limit.events_per_second)) if missing > 0 else 0

    def take(self, events: int, at: float, ahead: int = 0) -> int:
        """Take room for so many events, and for as many of `ahead` as there is; return for how many, or 0.

        All or none of `events`.
        """
        if self.missing(events, at) > 0:
            return 0
        more = min(ahead, max(math.floor(self.left) - events, 0))
        self.left -= events + more
        return events + more


AHEAD_SECONDS = 0.25
"""How much of a limit one process may hold without using it: others are refused meanwhile."""
KEPT_SECONDS = 1.0
"""How long what was taken ahead may be used: later it would be more than the limit allows at once."""


@dataclass(slots=True)
class Allowance:
    """What one process has taken ahead of a source's bucket, so that it need not ask for every request.

    Who asks often takes more each time, twice as much up to AHEAD_SECONDS of the limit; who asks seldom takes just
    what is needed, and wastes nothing.
    """

    limit: RateLimit
    left: int = 0
    taken_at: float = -math.inf
    ahead: int = 0

    def use(self, events: int, at: float) -> bool:
        """Use what was taken before; say whether it was enough. All or none."""
        if at - self.taken_at > KEPT_SECONDS:
            self.left = 0
        if events > self.left:
            return False
        self.left -= events
        return True

    def wanted_ahead(self, events: int, at: float) -> int:
        """Return how much to take ahead beside so many events."""
        most = int(self.limit.events_per_second * AHEAD_SECONDS)
        is_busy = at - self.taken_at < 2 * AHEAD_SECONDS
        self.ahead = min(most, max(2 * self.ahead, events)) if is_busy else self.ahead // 2
        return self.ahead

    def taken(self, spare: int, at: float) -> None:
        """Remember what was taken ahead, beside what it was taken for."""
        self.left += spare
        self.taken_at = at
