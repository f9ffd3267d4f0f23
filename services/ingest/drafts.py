"""An input that was understood, before anything was looked up: what mapping makes and accepting settles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.ingest.domain.faults import Fault
from services.ingest.domain.identifiers import Identifier
from services.ingest.domain.sources import Source
from shared.events import EventData, SubjectKind
from shared.identity import BlindIndexKeys, TillKey, derive_key, event_id_for, guest_subject_id, receipt_id_for


@dataclass(frozen=True, slots=True)
class Secrets:
    """The keys that are derived from the deployment key, one per purpose."""

    blind: BlindIndexKeys
    event_ids: bytes = field(repr=False)
    keys: bytes = field(repr=False)
    contents: bytes = field(repr=False)
    wrapping: bytes = field(repr=False)
    erasures: bytes = field(repr=False)
    certificates: bytes = field(repr=False)

    @classmethod
    def derive(cls, deployment_key: bytes) -> "Secrets":
        return cls(
            blind=BlindIndexKeys.from_deployment_key(deployment_key),
            event_ids=derive_key(deployment_key, "event-id"),
            keys=derive_key(deployment_key, "dedup-key"),
            contents=derive_key(deployment_key, "dedup-content"),
            wrapping=derive_key(deployment_key, "vault-wrapping"),
            erasures=derive_key(deployment_key, "erasure-ledger"),
            certificates=derive_key(deployment_key, "erasure-certificate"),
        )


@dataclass(frozen=True, slots=True)
class Context:
    """What mapping knows beside the item itself."""

    source: Source
    received_at: datetime
    secrets: Secrets
    region: str
    currency: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a request, as it came: where it stood, its fields, its JSON."""

    place: int
    fields: Mapping[str, Any] = field(repr=False)
    original: bytes = field(repr=False)
    context: Context


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """An event that was accepted before, as far as a return or void needs it."""

    event_id: UUID
    subject_id: UUID
    subject_kind: SubjectKind
    sold_minor: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What was looked up for a draft: all that its events still need."""

    event_id: UUID
    epoch: int = 0
    original_id: UUID | None = None
    original_epoch: int = 0
    original: KnownEvent | None = None
    other_subject_ids: tuple[UUID, ...] = ()


Says = Callable[[Settled], Sequence[EventData]]


@dataclass(frozen=True, slots=True)
class Draft:
    """One understood item of a request."""

    place: int
    context: Context
    kind: str
    """Which route it came by: receipts, customers, track …"""
    key: str | TillKey
    """The de-duplication key; a till's key still lacks its epoch where the till gave none."""
    at_ms: int
    occurred_at: datetime
    content: bytes
    original: bytes
    says: Says
    key_field: str = "/message_id"
    """Where the key's own number stands in the item, as a JSON pointer."""
    message_id: str | None = None
    """The client's; None where the event's own id is what it is asked for by."""
    alias: str | None = None
    """A second key that finds the event without deciding anything."""
    identifiers: tuple[Identifier, ...] = ()
    links: bool = False
    is_epoch_given: bool = False
    store_id: str | None = None
    refers_to: TillKey | str | None = None
    """The receipt that this one returns or voids, by its key."""
    refers_with_epoch: bool = False
    subject_id: UUID | None = None
    """Set for events about a thing."""
    contacts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Contact data of the strongest identifier's subject, for the vault."""
    ignored: Fault | None = None
    is_of_erased: bool = False
    """An identifier of it was left out since its owner was erased: nothing personal of it is kept."""

    @property
    def subject_kind(self) -> SubjectKind:
        if self.subject_id is not None:
            return "none"
        if not self.identifiers:
            return "guest"
        return "device" if self.identifiers[0].is_device else "identified"


@dataclass(frozen=True, slots=True)
class Rejected:
    """One item that was not understood, or may not be said."""

    place: int
    context: Context
    kind: str
    fault: Fault
    original: bytes
    message_id: str | None = None
    """What it can be asked for by, where that much could be read."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one item; `message_id` is what to ask for it by."""

    place: int
    message_id: str | None
    status: str
    code: str | None = None
    message: str | None = None
    field: str | None = None


def event_id_of(draft_key: str | TillKey, at_ms: int, secrets: Secrets) -> UUID:
    """Return the id that a key has, the same after every restore."""
    if isinstance(draft_key, TillKey):
        return receipt_id_for(draft_key, secrets.event_ids)
    return event_id_for(draft_key, at_ms, secrets.event_ids)


def key_text(key: str | TillKey) -> str:
    return key.text if isinstance(key, TillKey) else key


def subject_of(draft: Draft, event_id: UUID, generations: Mapping[tuple[str, bytes], int]) -> UUID:
    """Return the subject of a draft's strongest identifier, or one of the event's own."""
    if draft.subject_id is not None:
        return draft.subject_id
    if not draft.identifiers:
        return guest_subject_id(event_id)
    return subject_id_now(draft.identifiers[0], generations)


def subject_id_now(identifier: Identifier, generations: Mapping[tuple[str, bytes], int]) -> UUID:
    return identifier.subject_id(generations.get((identifier.namespace, identifier.blind_index), 0))
