"""What of an event counts when the same message comes again."""

from collections.abc import Mapping

from shared.events import EventData
from shared.events.feedback import (
    ComplaintOpenedV1,
    InquiryOpenedV1,
    ReviewWrittenV1,
    SocialMentionV1,
    SurveyAnsweredV1,
)
from shared.events.products import ProductChangedV1

_ADDED_LATER: Mapping[type[EventData], frozenset[str]] = {
    ProductChangedV1: frozenset({"gtins"}),
    SurveyAnsweredV1: frozenset({"channel", "product_id", "order_id", "question", "language"}),
    ReviewWrittenV1: frozenset({"channel", "order_id", "receipt_id", "language"}),
    ComplaintOpenedV1: frozenset({"order_id", "language"}),
    InquiryOpenedV1: frozenset({"order_id", "receipt_id", "language"}),
    SocialMentionV1: frozenset({"language"}),
}
"""Fields that events got after the first digests were stored: left out while they hold their default, so that what
was accepted before still is a repeat."""


def said_by(data: EventData) -> bytes:
    """Return the canonical bytes of what an event says."""
    later = _ADDED_LATER.get(type(data), frozenset())
    fields = type(data).model_fields
    unsaid = {name for name in later if getattr(data, name) == fields[name].get_default(call_default_factory=True)}
    return data.model_dump_json(exclude=unsaid or None).encode()
