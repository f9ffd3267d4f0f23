"""Which times are believed: limits, and the correction of a device's wrong clock."""

from datetime import date, datetime, timedelta

from services.ingest.domain.faults import Refused

EARLIEST_YEAR = 1990
AHEAD_MAX = timedelta(days=1)
SKEW_MIN = timedelta(minutes=5)
BACKLOG_AGE = timedelta(hours=4)


def is_backlog(occurred_at: datetime, received_at: datetime) -> bool:
    """Say whether something happened so long ago that what happens now goes before it."""
    return received_at - occurred_at >= BACKLOG_AGE


def check_moment(occurred_at: datetime, received_at: datetime, field: str) -> None:
    """Raise Refused for a time that no working clock shows."""
    if occurred_at.year < EARLIEST_YEAR:
        raise Refused("time_out_of_range", f"is before {EARLIEST_YEAR}; check the sender's clock", field)
    if occurred_at > received_at + AHEAD_MAX:
        raise Refused("time_out_of_range", "is more than a day ahead of us; check the sender's clock", field)


def check_business_date(day: date, received_at: datetime, field: str) -> None:
    """Raise Refused for a business day that cannot be one. A day may begin before ours in the east."""
    if day.year < EARLIEST_YEAR:
        raise Refused("time_out_of_range", f"is before {EARLIEST_YEAR}; check the till's date", field)
    if day > (received_at + 2 * AHEAD_MAX).date():
        raise Refused("time_out_of_range", "is in the future; check the till's date", field)


def check_age(occurred_at: datetime, received_at: datetime, kept: timedelta | None, field: str) -> None:
    """Raise Refused for what is older than its log keeps; None: it keeps everything."""
    if kept is not None and received_at - occurred_at > kept:
        raise Refused("too_old", f"is more than {kept.days} days ago; behaviour this old is not kept", field)


def corrected(said_at: datetime, sent_at: datetime | None, received_at: datetime) -> datetime:
    """Return when it happened by our clock: the device's clock was wrong by what it said when it sent.

    Differences below five minutes are the network's, not the clock's, and change nothing.
    """
    if sent_at is None:
        return said_at
    skew = received_at - sent_at
    if abs(skew) < SKEW_MIN:
        return said_at
    return said_at + timedelta(seconds=round(skew.total_seconds()))
