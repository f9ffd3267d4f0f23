"""How much a source may send: a bucket that fills at its rate and holds its burst."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Events a source may send on average, and at once."""

    events_per_second: int
    burst: int


@dataclass(slots=True)
class Bucket:
    """What is left of a source's limit; `at` are seconds of a clock that only goes forward."""

    limit: RateLimit
    left: float
    at: float

    @classmethod
    def full(cls, limit: RateLimit, at: float) -> "Bucket":
        return cls(limit, limit.burst, at)

    def take(self, events: int, at: float) -> int:
        """Take room for so many events; return 0, or the whole seconds to wait where there is none.

        A batch larger than the burst passes when the bucket is full and is paid for afterwards: otherwise its
        sender would try for ever.
        """
        rate = self.limit.events_per_second
        self.left = min(self.limit.burst, self.left + max(at - self.at, 0.0) * rate)
        self.at = at
        missing = min(events, self.limit.burst) - self.left
        if missing > 0:
            return max(1, math.ceil(missing / rate))
        self.left -= events
        return 0
