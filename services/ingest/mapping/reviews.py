"""A web shop's `Product Reviewed` as the feedback that it is."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from services.ingest.mapping.behaviour import first_text, product_id_of
from services.ingest.mapping.messages import Message
from shared.events.feedback import ReviewWrittenV1

REVIEWED = "product reviewed"


def review_of(message: Message, properties: Mapping[str, Any]) -> ReviewWrittenV1 | None:
    """Return the review; None for any other message, and for one without what a review needs, such as stars.

    `properties` hold no contact data any more. Only for sources that may speak of people: anybody can read a public
    key out of a page and write reviews with it.
    """
    if message.type != "track" or (message.name or "").casefold() != REVIEWED:
        return None
    try:
        return ReviewWrittenV1(
            review_id=first_text(properties, ("review_id",)) or message.message_id or "",
            product_id=product_id_of(properties),
            rating=int(float(first_text(properties, ("rating",)) or "")),
            title=(first_text(properties, ("review_title", "title")) or "")[:1000] or None,
            text=(first_text(properties, ("review_body", "review", "text")) or "")[:10_000],
        )
    except (ValidationError, ValueError, OverflowError):
        return None
