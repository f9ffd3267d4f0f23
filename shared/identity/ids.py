"""Ids that are functions of what they name, so that a repeat, a restore or a rebuild mints the same ones."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import blake2b
from uuid import UUID, uuid5

_REGULARS = UUID("6a2f1c7e-94d3-5b8a-8c1f-2d0e7b3a5f49")
_GUESTS = uuid5(_REGULARS, "guest")
_SUBJECTS = uuid5(_REGULARS, "subject")
_TRANSITIONS = uuid5(_REGULARS, "transition")
_THINGS = uuid5(_REGULARS, "thing")

_TIME_MAX_MS = (1 << 48) - 1


def event_id_for(key: str, at_ms: int, secret: bytes) -> UUID:
    """Return the UUIDv8 of a de-duplication key: 48 bits of time, then 74 bits of keyed hash of the key.

    `at_ms` is the client's raw timestamp, Unix milliseconds; what does not fit into 48 bits is clamped, which
    costs order, not uniqueness. `secret` is at most 64 bytes; without it nobody can mint an id on purpose.
    """
    at = min(max(at_ms, 0), _TIME_MAX_MS)
    digest = int.from_bytes(blake2b(key.encode(), key=secret, digest_size=10).digest(), "big")
    high, low = (digest >> 62) & 0xFFF, digest & ((1 << 62) - 1)
    return UUID(int=at << 80 | 0x8 << 76 | high << 64 | 0b10 << 62 | low)


@dataclass(frozen=True, slots=True)
class TillKey:
    """What makes a till's receipt unique."""

    store_id: str
    terminal_id: str
    business_date: date
    sequence_number: int
    sequence_epoch: int = 0
    is_suspended: bool = False
    """A receipt put aside and the one that completes it may have one number; each is kept once."""

    @property
    def text(self) -> str:
        """The key as text; no two keys share one, whatever characters the parts hold."""
        day = self.business_date.isoformat()
        parts = ["till", self.store_id, self.terminal_id, day, self.sequence_number, self.sequence_epoch]
        if self.is_suspended:
            parts.append("suspended")
        return json.dumps(parts, separators=(",", ":"))

    @property
    def at_ms(self) -> int:
        """The business day's midnight, UTC, Unix milliseconds."""
        return int(datetime.combine(self.business_date, time(), UTC).timestamp()) * 1000


def receipt_id_for(key: TillKey, secret: bytes) -> UUID:
    """Return the id of a till's receipt, which is also the id of its event.

    Its time is the business day, part of the key, so that a return or a void can name a receipt that nobody
    has seen yet.
    """
    return event_id_for(key.text, key.at_ms, secret)


def guest_subject_id(event_id: UUID) -> UUID:
    """Return the subject of an event that nobody is known for, or that was erased."""
    return uuid5(_GUESTS, event_id.hex)


def subject_id_for(namespace: str, blind_index: bytes, generation: int = 0) -> UUID:
    """Return the subject of an identifier; a phone number issued again has the next generation."""
    return uuid5(_SUBJECTS, f"{namespace}/{blind_index.hex()}/{generation}")


def transition_id(kind: str, customer_id: UUID, n: int) -> UUID:
    """Return the event id of a customer's n-th transition of a kind (`segment:champions`, `tier`)."""
    return uuid5(_TRANSITIONS, f"{kind}/{customer_id.hex}/{n}")


def thing_subject_id(kind: str, thing_id: str) -> UUID:
    """Return the envelope's subject_id of an event about a thing (`product`, `store`, `staff`)."""
    return uuid5(_THINGS, f"{kind}/{thing_id}")
