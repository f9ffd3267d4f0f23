"""How an input is read again: by the kind that its refusal was kept under."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.ingest.drafts import Secrets
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
    return own_message_id(item)


_MESSAGE = Reader(MESSAGES, draft_message, lambda item, _: message_id_of(item))

READERS: Mapping[str, Reader] = {
    KIND: Reader(KIND, draft_receipt, receipt_message_id),
    "customers": Reader("customers", draft_customer, _own),
    "consents": Reader("consents", draft_consent, _own),
    "feedback": Reader("feedback", draft_feedback, _own),
    **{kind: Reader(kind, drafting_of(kind), _own) for kind in CATALOGUE},
    **dict.fromkeys((MESSAGES, ORDERS, *TYPES), _MESSAGE),
}
