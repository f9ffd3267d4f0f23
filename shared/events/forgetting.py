"""What stays of an event when the person it is about was erased: of a receipt the sale, of all else nothing."""

from typing import Any

from shared.events.base import EventData
from shared.events.envelope import Envelope, decode, encode
from shared.events.errors import InvalidEvent
from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from shared.identity import guest_subject_id

EXPIRED = b""
"""The body of an event whose place in its log is kept and whose content is not."""


def forgotten(raw: bytes) -> bytes:
    """Return the body that an erased person's event keeps.

    A receipt or void is a guest's of its own from now on, without references to payments and other identifiers;
    everything else, and what cannot be read, is `EXPIRED`.
    """
    if not raw:
        return EXPIRED
    try:
        envelope = decode(raw, upcast=False)
    except InvalidEvent:
        return EXPIRED
    data = _nobodys(envelope.data)
    if data is None:
        return EXPIRED
    fields: dict[str, Any] = {name: getattr(envelope, name) for name in ("event_id", "occurred_at", "received_at")}
    return encode(
        Envelope.of(
            data,
            subject_id=guest_subject_id(envelope.event_id),
            subject_kind="guest",
            source=envelope.source,
            store_id=envelope.store_id,
            **fields,
        )
    )


def _nobodys(data: EventData) -> EventData | None:
    if isinstance(data, ReceiptRecordedV1):
        tenders = tuple(tender.model_copy(update={"reference": None}) for tender in data.tenders)
        return data.model_copy(update={"other_subject_ids": (), "tenders": tenders})
    return data if isinstance(data, ReceiptVoidedV1) else None
