"""Settling: a draft with everything looked up gets its id and subject, and its events are made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from services.ingest.domain.digests import key_digest
from services.ingest.domain.faults import Refused
from services.ingest.domain.links import bearer
from services.ingest.domain.sealing import guest_key_id
from services.ingest.domain.sources import EnvelopeKind
from services.ingest.drafts import (
    Draft,
    KnownEvent,
    Replaced,
    Settled,
    event_id_of,
    key_text,
    subject_id_now,
    subject_of,
)
from services.ingest.handlers.accepting.lookups import Found, known_event
from services.ingest.handlers.accepting.ordering import OrderLeft, Orders
from services.ingest.mapping.reading import too_large
from services.ingest.store.awaited import Follower
from services.ingest.store.subjects import NewSubject
from shared.events import Envelope, Source, SubjectKind
from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from shared.identity import TillKey, event_id_for, guest_subject_id
from shared.log import BACKLOG, LIVE, Outgoing
from shared.records import record

EVENT_BYTES_MAX = 900_000
Subject = tuple[UUID, SubjectKind]
# What counts whoever did it; everything else is about a person.
_FACTS = (ReceiptRecordedV1, ReceiptVoidedV1)


@record
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
    order: OrderLeft | None = None
    """What an order comes to after it."""
    followers: tuple[Follower, ...] = ()

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


def settle(draft: Draft, found: Found, known: dict[UUID, KnownEvent], orders: Orders) -> Ready:
    """Give a draft its id and subject and make its events; `known` and `orders` gain what it records.

    Raises Refused, or pydantic's ValidationError for a value out of an event's limits.
    """
    secrets = draft.context.secrets
    order = orders.take(draft)
    key = found.key_of(draft) if order is None else order.key
    text = key_text(key)
    event_id = event_id_of(key, draft.at_ms, secrets)
    subjects = _subjects(draft, found.generations)
    identified = tuple(subject.subject_id for subject in subjects)
    named = _subject(draft, event_id, found, identified)
    settled = found.settled(draft, event_id, known, tuple(one for one in identified if one != named[0]))
    if draft.is_order and settled.original_id is not None:
        settled = orders.now_of(draft, settled, known)
    if order is not None and order.replaces is not None:
        void_id = _further_id(draft, text, 1)
        settled = replace(settled, replaced=Replaced(known[order.replaces], void_id))
    subject = _owner(named, settled)
    envelopes = _envelopes(draft, settled, subject, text)
    outgoing = _outgoing(draft, envelopes)
    if draft.is_of_erased and subject[1] == "guest" and not isinstance(envelopes[0].data, _FACTS):
        raise Refused("identifier_erased", "the person under this identifier was erased; nothing more is kept")
    if isinstance(envelopes[0].data, ReceiptRecordedV1):
        known.setdefault(event_id, known_event(envelopes[0]))
    return Ready(
        draft,
        event_id,
        *subject,
        key_digest(secrets.keys, text),
        outgoing,
        subjects,
        named_id=None if draft.sealed_for is None else subject_id_now(draft.sealed_for, found.generations),
        order=orders.left(draft, order, event_id, settled.original_id),
        followers=_followers(draft, event_id, subject, settled),
    )


def _owner(named: Subject, settled: Settled) -> Subject:
    """Return whose an event is: what names nobody and takes a receipt back, or its place, is that receipt's."""
    original = settled.original or (None if settled.replaced is None else settled.replaced.receipt)
    if named[1] != "guest" or original is None:
        return named
    return original.subject_id, original.subject_kind


def _envelopes(draft: Draft, settled: Settled, subject: Subject, key: str) -> list[Envelope[Any]]:
    """Make a draft's events; what takes the place of a receipt voids it in the name of whose that was."""
    context, replaced = draft.context, settled.replaced
    further = subject if replaced is None else (replaced.receipt.subject_id, replaced.receipt.subject_kind)
    source = _named(context.source.source_id, context.source.envelope_kind)
    return [
        Envelope.of(
            data,
            event_id=_further_id(draft, key, number) if number else settled.event_id,
            occurred_at=draft.occurred_at,
            received_at=context.received_at,
            subject_id=(further if number else subject)[0],
            subject_kind=(further if number else subject)[1],
            source=source,
            store_id=draft.store_id,
        )
        for number, data in enumerate(draft.says(settled))
    ]


def _outgoing(draft: Draft, envelopes: Iterable[Envelope[Any]]) -> tuple[Outgoing, ...]:
    lane = BACKLOG if draft.is_backlog else LIVE
    outgoing = tuple(Outgoing.of(envelope, lane) for envelope in envelopes)
    if any(len(event.body) > EVENT_BYTES_MAX for event in outgoing):
        raise too_large(orjson.loads(draft.original), EVENT_BYTES_MAX)
    return outgoing


def _followers(draft: Draft, event_id: UUID, subject: Subject, settled: Settled) -> tuple[Follower, ...]:
    """Return the guests that are to be whoever another receipt's subject is."""
    subject_id, kind = subject
    at = draft.occurred_at
    if kind == "guest" and settled.original_id is not None and settled.original is None and not draft.sealed_for:
        return (Follower(settled.original_id, event_id, subject_id, at),)
    before = None if settled.replaced is None else settled.replaced.receipt
    if before is not None and before.subject_kind == "guest" and before.subject_id != subject_id:
        # What came back of a guest's order is its customer's once an edit names one.
        return (Follower(event_id, event_id, before.subject_id, at),)
    return ()


@lru_cache(maxsize=1000)
def _named(source_id: str, kind: EnvelopeKind) -> Source:
    """Return a source as envelopes name it: a request's events all have the same."""
    return Source(id=source_id, kind=kind)


def _subject(draft: Draft, event_id: UUID, found: Found, identified: Sequence[UUID]) -> Subject:
    """Return whose an event is: of a receipt, the strongest identifier's that is not in quarantine, or a guest's."""
    if draft.link_cause == "signed" and identified:
        # A page speaks for its device, also where the shop vouches for who is signed in.
        return identified[-1], "device"
    is_receipt = isinstance(draft.key, TillKey) or draft.is_order
    held = found.held if is_receipt else frozenset[UUID]()
    doubtful = found.doubtful.intersection(identified) if draft.links else frozenset[UUID]()
    if not (held or doubtful) or draft.subject_id is not None:
        return subject_of(draft, event_id, identified), draft.subject_kind
    devices = {one for one, named in zip(identified, draft.identifiers, strict=True) if named.is_device}
    subject_id = bearer(identified, held, doubtful | devices)
    if subject_id is None:
        return guest_subject_id(event_id), "guest"
    return subject_id, "device" if subject_id in devices else "identified"


def _further_id(draft: Draft, key: str, number: int) -> UUID:
    return event_id_for(f"{key}#{number}", draft.at_ms, draft.context.secrets.event_ids)


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
