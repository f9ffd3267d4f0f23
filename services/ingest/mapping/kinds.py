"""How an input is read again: by the kind that its refusal was kept under."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.ingest.drafts import Secrets
from services.ingest.mapping import shopify
from services.ingest.mapping.files.again import is_of_a_file, or_of_a_file
from services.ingest.mapping.messages import TYPES, message_id_of
from services.ingest.mapping.people import draft_consent, draft_customer, draft_feedback
from services.ingest.mapping.reading import Drafting, own_message_id
from services.ingest.mapping.receipts import KIND, draft_receipt, till_key_of_item
from services.ingest.mapping.segment import draft_message
from services.ingest.mapping.things import CATALOGUE, drafting_of
from shared.identity import receipt_id_for

Lookup = Callable[[Mapping[str, Any], Secrets], str | None]
MESSAGES = "messages"
ORDERS = "orders"


@dataclass(frozen=True, slots=True)
class Reader:
    """How one kind of input is understood, and what a refused one can be asked for by."""

    kind: str
    drafting: Drafting
    message_id: Lookup


def receipt_message_id(item: Mapping[str, Any], secrets: Secrets) -> str | None:
    """Return the message_id that a refused receipt would have had, where its key can be read."""
    key = till_key_of_item(item)
    return None if key is None else str(receipt_id_for(key, secrets.event_ids))


def _own(item: Mapping[str, Any], _: Secrets) -> str | None:
    file = item["file"] if is_of_a_file(item) else None
    said = file.get("own") if isinstance(file, Mapping) else item
    return own_message_id(said) if isinstance(said, Mapping) else None


_MESSAGE = Reader(MESSAGES, draft_message, lambda item, _: message_id_of(item))

READERS: Mapping[str, Reader] = {
    KIND: Reader(KIND, or_of_a_file(draft_receipt), receipt_message_id),
    "customers": Reader("customers", or_of_a_file(draft_customer), _own),
    "consents": Reader("consents", draft_consent, _own),
    "feedback": Reader("feedback", draft_feedback, _own),
    **{kind: Reader(kind, or_of_a_file(drafting_of(kind)), _own) for kind in CATALOGUE},
    shopify.KIND: Reader(shopify.KIND, shopify.draft_piece, lambda item, _: shopify.number_of(item)),
    **dict.fromkeys((MESSAGES, ORDERS, *TYPES), _MESSAGE),
}
