"""Settling: a draft with everything looked up gets its id and subject, and its events are made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from services.ingest.domain.digests import key_digest
from services.ingest.domain.faults import Refused
from services.ingest.domain.linking import bearer
from services.ingest.domain.sealing import guest_key_id
from services.ingest.domain.sources import EnvelopeKind
from services.ingest.drafts import (
    Draft,
    KnownEvent,
    Secrets,
    event_id_of,
    key_text,
    subject_id_now,
    subject_of,
)
from services.ingest.handlers.lookups import Found, known_event
from services.ingest.mapping.reading import too_large
from services.ingest.store.subjects import NewSubject
from shared.events import Envelope, Source, SubjectKind
from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from shared.identity import TillKey, event_id_for, guest_subject_id
from shared.log import BACKLOG, LIVE, Outgoing

EVENT_BYTES_MAX = 900_000
# What counts whoever did it; everything else is about a person.
_FACTS = (ReceiptRecordedV1, ReceiptVoidedV1)


@dataclass(frozen=True, slots=True)
class Ready:
    """A draft with everything looked up: its id, its subject, and its events, encoded."""

    draft: Draft
    event_id: UUID
    subject_id: UUID
    subject_kind: SubjectKind
    key_digest: bytes
    outgoing: tuple[Outgoing, ...]
    subjects: tuple[NewSubject, ...]
    named_id: UUID | None = None
    """The subject that an item about nobody names all the same."""

    @property
    def seals_under(self) -> UUID:
        """Whose key the original is sealed under: the subject's, or for nobody known the month's."""
        if self.named_id is not None:
            return self.named_id
        if self.subject_kind in {"identified", "device"} and self.draft.identifiers:
            return self.subject_id
        return guest_key_id(f"{self.draft.occurred_at.astimezone(UTC):%Y-%m}")

    @property
    def message_id(self) -> str:
        return self.draft.message_id or str(self.event_id)


def settle(draft: Draft, found: Found, known: dict[UUID, KnownEvent]) -> Ready:
    """Give a draft its id and subject and make its events; `known` gains the receipts that it records.

    Raises Refused, or pydantic's ValidationError for a value out of an event's limits.
    """
    context, secrets = draft.context, draft.context.secrets
    key = found.key_of(draft)
    event_id = event_id_of(key, draft.at_ms, secrets)
    subjects = _subjects(draft, found.generations)
    identified = tuple(subject.subject_id for subject in subjects)
    subject_id, subject_kind = _subject(draft, event_id, found, identified)
    others = tuple(one for one in identified if one != subject_id)
    settled = found.settled(draft, event_id, known, others)
    original = settled.original
    if subject_kind == "guest" and original is not None:
        # What takes a receipt back belongs to whoever the receipt belongs to.
        subject_id, subject_kind = original.subject_id, original.subject_kind
    source = _named(context.source.source_id, context.source.envelope_kind)
    envelopes: list[Envelope[Any]] = [
        Envelope.of(
            data,
            event_id=event_id if not number else _further_id(draft, key_text(key), number, secrets),
            occurred_at=draft.occurred_at,
            received_at=context.received_at,
            subject_id=subject_id,
            subject_kind=subject_kind,
            source=source,
            store_id=draft.store_id,
        )
        for number, data in enumerate(draft.says(settled))
    ]
    lane = BACKLOG if draft.is_backlog else LIVE
    outgoing = tuple(Outgoing.of(envelope, lane) for envelope in envelopes)
    _check_size(outgoing, draft)
    if draft.is_of_erased and subject_kind == "guest" and not isinstance(envelopes[0].data, _FACTS):
        raise Refused("identifier_erased", "the person under this identifier was erased; nothing more is kept")
    if isinstance(envelopes[0].data, ReceiptRecordedV1):
        known.setdefault(event_id, known_event(envelopes[0]))
    named_id = None if draft.sealed_for is None else subject_id_now(draft.sealed_for, found.generations)
    digest = key_digest(secrets.keys, key_text(key))
    return Ready(draft, event_id, subject_id, subject_kind, digest, outgoing, subjects, named_id)


@lru_cache(maxsize=1000)
def _named(source_id: str, kind: EnvelopeKind) -> Source:
    """Return a source as envelopes name it: a request's events all have the same."""
    return Source(id=source_id, kind=kind)


def _subject(draft: Draft, event_id: UUID, found: Found, identified: Sequence[UUID]) -> tuple[UUID, SubjectKind]:
    """Return whose an event is: of a receipt, the strongest identifier's that is not in quarantine, or a guest's."""
    if draft.link_cause == "signed" and identified:
        # A page speaks for its device, also where the shop vouches for who is signed in.
        return identified[-1], "device"
    is_receipt = isinstance(draft.key, TillKey) or draft.kind == "orders"
    if found.held and is_receipt and draft.subject_id is None:
        subject_id = bearer(identified, found.held)
        if subject_id is None:
            return guest_subject_id(event_id), "guest"
        is_device = draft.identifiers[identified.index(subject_id)].is_device
        return subject_id, "device" if is_device else "identified"
    return subject_of(draft, event_id, identified), draft.subject_kind


def _further_id(draft: Draft, key: str, number: int, secrets: Secrets) -> UUID:
    return event_id_for(f"{key}#{number}", draft.at_ms, secrets.event_ids)


def _check_size(outgoing: Iterable[Outgoing], draft: Draft) -> None:
    if any(len(event.body) > EVENT_BYTES_MAX for event in outgoing):
        raise too_large(orjson.loads(draft.original), EVENT_BYTES_MAX)


def _subjects(draft: Draft, generations: Mapping[tuple[str, bytes], int]) -> tuple[NewSubject, ...]:
    return tuple(
        NewSubject(
            subject_id_now(one, generations),
            one.namespace,
            one.blind_index,
            max(generations.get((one.namespace, one.blind_index), 0), one.generation_min),
            one.masked,
            draft.context.received_at,
            draft.occurred_at,
        )
        for one in draft.identifiers
    )
