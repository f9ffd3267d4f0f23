"""How long tables may tell of an event: a little less than its log keeps its body.

The catalogue says for how long, and a deployment may say otherwise, to all its services alike. Of a row that is kept,
the log has the event's body, so that a rebuild makes it again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from shared.events.catalogue import TOPICS, topic_named, topic_of

DAYS_MIN, DAYS_MAX = 30, 3650

LEEWAY = timedelta(days=2)
"""By how much rows go before bodies. Bodies go by when they were stored, rows by when it happened, and ingest
believes a sender that is a day ahead; the other day is for clocks."""


_said_otherwise: dict[str, int] = {}


def checked(days: Mapping[str, int]) -> dict[str, int]:
    """Return days by topic if topics can be kept for so long; raise ValueError, with the cure, if not."""
    changeable = sorted(topic.name for topic in TOPICS if topic.retention_days is not None)
    for name, kept in days.items():
        if name not in changeable:
            raise ValueError(
                f"{name!r} is no topic whose events expire; take it out, or name one of {', '.join(changeable)}"
            )
        if not DAYS_MIN <= kept <= DAYS_MAX:
            raise ValueError(f"{name} cannot be kept for {kept} days; give it {DAYS_MIN} to {DAYS_MAX}")
    return dict(days)


def keep(days: Mapping[str, int]) -> None:
    """Have this process keep topics for so many days, and all others for as long as the catalogue says.

    Called once, before anything else, with the setting that all processes of a deployment share.
    """
    _said_otherwise.clear()
    _said_otherwise.update(checked(days))


def days_kept(topic: str) -> int | None:
    """Return for how many days the owner's log keeps the bodies of a topic; None: for ever."""
    return _said_otherwise.get(topic, topic_named(topic).retention_days)


def body_age_max(topic: str) -> timedelta | None:
    """Return how long the owner's log keeps the bodies of a topic; None: for ever."""
    days = days_kept(topic)
    return None if days is None else timedelta(days=days)


def told_since(topic: str, now: datetime) -> datetime | None:
    """Return since when an event of a topic must have happened for tables to tell of it; None: however long ago."""
    kept = body_age_max(topic)
    return None if kept is None else now - (kept - LEEWAY)


def types_expiring(event_types: Iterable[str]) -> dict[str, list[str]]:
    """Return, by topic, those of the types whose bodies expire."""
    expiring: dict[str, list[str]] = {}
    for event_type in sorted(event_types):
        topic = topic_of(event_type)
        if topic.retention_days is not None:
            expiring.setdefault(topic.name, []).append(event_type)
    return expiring
