"""Event contracts: the envelope, one class per type and version, and the catalogue of topics."""

from shared.events.base import EventData, quantity_of
from shared.events.catalogue import (
    TOPICS,
    Topic,
    event_class,
    topic_named,
    topic_of,
    topics_consumed_by,
    topics_owned_by,
)
from shared.events.envelope import Envelope, Source, SourceKind, SubjectKind, decode, encode
from shared.events.errors import InvalidEvent

__all__ = [
    "TOPICS",
    "Envelope",
    "EventData",
    "InvalidEvent",
    "Source",
    "SourceKind",
    "SubjectKind",
    "Topic",
    "decode",
    "encode",
    "event_class",
    "quantity_of",
    "topic_named",
    "topic_of",
    "topics_consumed_by",
    "topics_owned_by",
]
