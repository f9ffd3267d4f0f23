"""Owns when the nightly training is due."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

LATE_BY_MOST = timedelta(hours=3)
"""A worker that comes up later than this after the hour waits for the next night, away from the busy day."""


@dataclass(frozen=True, slots=True)
class Nightly:
    """The hour of the deployment's own day at which training starts; None: never."""

    hour: int | None
    time_zone: str

    def is_due(self, now: datetime, last_started_at: datetime | None) -> bool:
        """Say whether tonight's training should start: once a night, and not hours after its time."""
        if self.hour is None:
            return False
        local = now.astimezone(ZoneInfo(self.time_zone))
        # The first of two such hours, where clocks are put back.
        tonight = local.replace(hour=self.hour, minute=0, second=0, microsecond=0, fold=0)
        # In UTC: within one zone Python compares clocks' faces, which an hour put forward or back would mislead.
        since = now - tonight.astimezone(ZoneInfo("UTC"))
        in_time = timedelta(0) <= since < LATE_BY_MOST
        return in_time and (last_started_at is None or last_started_at < tonight)
