"""An input that was understood, before anything was looked up: what mapping makes and accepting settles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.ingest.domain.clocks import ClockReading, Terminal
from services.ingest.domain.faults import Fault
from services.ingest.domain.identifiers import Identifier
from services.ingest.domain.marks import Marks
from services.ingest.domain.orders import OrderTold
from services.ingest.domain.plans import Violation
from services.ingest.domain.quality import Correction
from services.ingest.domain.sources import Source, SourceKind
from services.ingest.domain.times import is_backlog
from shared.events import EventData, SubjectKind
from shared.identity import BlindIndexKeys, TillKey, derive_key, event_id_for, guest_subject_id, receipt_id_for
from shared.records import record


@dataclass(frozen=True, slots=True)
class Secrets:
    """The keys that are derived from the deployment key, one per purpose."""

    blind: BlindIndexKeys
    event_ids: bytes = field(repr=False)
    keys: bytes = field(repr=False)
    contents: bytes = field(repr=False)
    wrapping: bytes = field(repr=False)
    tokens: bytes = field(repr=False)
    erasures: bytes = field(repr=False)
    certificates: bytes = field(repr=False)
    marks: bytes = field(repr=False)

    @classmethod
    def derive(cls, deployment_key: bytes) -> "Secrets":
        return cls(
            blind=BlindIndexKeys.from_deployment_key(deployment_key),
            event_ids=derive_key(deployment_key, "event-id"),
            keys=derive_key(deployment_key, "dedup-key"),
            contents=derive_key(deployment_key, "dedup-content"),
            wrapping=derive_key(deployment_key, "vault-wrapping"),
            tokens=derive_key(deployment_key, "identity-tokens"),
            erasures=derive_key(deployment_key, "erasure-ledger"),
            certificates=derive_key(deployment_key, "erasure-certificate"),
            marks=derive_key(deployment_key, "identity-marks"),
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
    clock_minutes: Mapping[Terminal, int] = field(default_factory=dict)
    """Minutes to add to the time of terminals whose clocks are known to be wrong."""
    codes: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    """What the catalogue says of the product codes of this request; see `mapping.standard`."""
    user_agent: str | None = field(default=None, repr=False)
    """Of whoever asked, where that is the sender itself: a browser."""


@record
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


@record
class Settled:
    """What was looked up for a draft: all that its events still need."""

    event_id: UUID
    epoch: int = 0
    original_id: UUID | None = None
    original_epoch: int = 0
    original: KnownEvent | None = None
    other_subject_ids: tuple[UUID, ...] = ()
    replaced: "Replaced | None" = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """The receipt that an edited order's new one takes the place of, and the id of the void that says so."""

    receipt: KnownEvent
    void_id: UUID


Says = Callable[[Settled], Sequence[EventData]]


@record
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
    sealed_for: Identifier | None = None
    """Of an item that is about nobody although it names somebody: whose key seals its original."""
    links: bool = False
    link_cause: str = "seen_together"
    is_epoch_given: bool = False
    store_id: str | None = None
    refers_to: TillKey | str | None = None
    """The receipt that this one returns or voids, by its key."""
    refers_with_epoch: bool = False
    is_order: bool = False
    """Whether it is a web shop's order, its refund or its cancellation."""
    told: OrderTold | None = None
    """Of an order whose edits replace what was recorded of it."""
    subject_id: UUID | None = None
    """Set for events about a thing."""
    contacts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Contact data of the strongest identifier's subject, for the vault."""
    marks: Marks | None = field(default=None, repr=False)
    """Of the given name and birthday that it tells of whoever its identifiers are."""
    ignored: Fault | None = None
    reading: ClockReading | None = None
    """What it tells of its terminal's clock; `occurred_at` is corrected by what is known of that already."""
    corrections: tuple[Correction, ...] = ()
    violations: tuple[Violation, ...] = ()
    is_bot: bool = False
    is_of_erased: bool = False
    """An identifier of it was left out since its owner was erased: nothing personal of it is kept."""

    @property
    def is_backlog(self) -> bool:
        """Whether what happens now goes before it: it happened long ago, or comes from a file."""
        context = self.context
        return context.source.kind is SourceKind.IMPORT or is_backlog(self.occurred_at, context.received_at)

    @property
    def note(self) -> Fault | None:
        """What its sender should know although it was accepted."""
        if self.ignored is not None:
            return self.ignored
        if self.violations:
            return Fault("off_plan", f"accepted; not as the tracking plan has it: {self.violations[0].message}")
        return Fault("bot", "accepted; comes from a known crawler") if self.is_bot else None

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
    violations: tuple[Violation, ...] = ()
    is_bot: bool = False
    is_dropped: bool = False
    """Its source wants it to be neither stored nor kept as a refusal."""


@record
class Result:
    """What became of one item; `message_id` is what to ask for it by."""

    place: int
    message_id: str | None
    status: str
    code: str | None = None
    message: str | None = None
    field: str | None = None
    corrections: tuple[Correction, ...] = ()
    event_id: UUID | None = None
    """What is stored, now or before."""


def event_id_of(draft_key: str | TillKey, at_ms: int, secrets: Secrets) -> UUID:
    """Return the id that a key has, the same after every restore."""
    if isinstance(draft_key, TillKey):
        return receipt_id_for(draft_key, secrets.event_ids)
    return event_id_for(draft_key, at_ms, secrets.event_ids)


def key_text(key: str | TillKey) -> str:
    return key.text if isinstance(key, TillKey) else key


def subject_of(draft: Draft, event_id: UUID, identified: Sequence[UUID]) -> UUID:
    """Return the subject of a draft's strongest identifier, the first of `identified`, or one of the event's own."""
    if draft.subject_id is not None:
        return draft.subject_id
    return identified[0] if identified else guest_subject_id(event_id)


def subject_id_now(identifier: Identifier, generations: Mapping[tuple[str, bytes], int]) -> UUID:
    return identifier.subject_id(generations.get((identifier.namespace, identifier.blind_index), 0))
