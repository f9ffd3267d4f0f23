"""How long tables may tell of an event: a little less than its log keeps its body.

The catalogue is the only place that says for how long. Of a row that is kept, the log has the event's body, so that a
rebuild makes it again.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from shared.events.catalogue import topic_named, topic_of

LEEWAY = timedelta(days=2)
"""By how much rows go before bodies. Bodies go by when they were stored, rows by when it happened, and ingest
believes a sender that is a day ahead; the other day is for clocks."""


def body_age_max(topic: str) -> timedelta | None:
    """Return how long the owner's log keeps the bodies of a topic; None: for ever."""
    days = topic_named(topic).retention_days
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
