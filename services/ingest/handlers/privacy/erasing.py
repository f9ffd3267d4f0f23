"""Erasing a person: asked for here, executed where events are numbered, so that all agree what came before it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from services.ingest import metrics
from services.ingest.domain.closing import identifier_digest
from services.ingest.domain.digests import content_digest
from services.ingest.domain.privacy import scrubbed_text
from services.ingest.drafts import Secrets
from services.ingest.errors import CustomerNotFound, ErasureNotFound, ErasureUnderWay, PersonalText
from services.ingest.handlers.identity.linking import assigned
from services.ingest.ledger import ClosedIdentifier, ErasedSubject, ErasureLedger
from services.ingest.store import erasures as store
from services.ingest.store.erasures import Erasure, RequestedBy
from services.ingest.store.subjects import Assignment, assign
from shared.clock import Clock
from shared.customers import customer_of, subjects_of
from shared.customers.assignments import Reads
from shared.customers.erasures import erased_among
from shared.db import Transaction
from shared.events import Envelope, Source
from shared.events.customers import CustomerErasedV1
from shared.identity import event_id_for
from shared.log import Outgoing, append
from shared.log.domain import Waiting
from shared.log.forgetting import rewrite

SOURCE = Source(id="ingest", kind="service")
SUBJECTS_MAX = 1000
"""More than a customer may have: what one event can name."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Whom to forget, and who wants it."""

    customer_id: UUID
    reason: str
    requested_by: RequestedBy
    guardian: str | None = None
    only_subject_ids: tuple[UUID, ...] | None = None


async def request_erasure(tx: Transaction, secrets: Secrets, wish: Wish, actor: str, now: datetime) -> Erasure:
    """Queue the erasure for its place among all events.

    Raises CustomerNotFound where nothing is kept, ErasureUnderWay where it was asked for before, PersonalText where
    the reason holds contact data.
    """
    for name, text in (("reason", wish.reason), ("guardian", wish.guardian or "")):
        if scrubbed_text(text) != text:
            raise PersonalText(
                "holds an e-mail address or phone number, which would outlive the erasure; leave it out",
                field=f"/{name}",
            )
    customer_id = await customer_of(tx, wish.customer_id)
    if not await store.is_known(tx, customer_id):
        raise CustomerNotFound("nothing is kept under this customer; nobody is to be erased", field="/customer_id")
    await store.lock_customer(tx, customer_id)
    waiting = await store.waiting_for(tx, customer_id)
    if waiting is not None:
        raise ErasureUnderWay(f"erasure {waiting} of this customer is under way; look at GET /v1/erasures/{waiting}")
    return await queue(tx, secrets, wish, customer_id, actor, now)


async def queue(  # noqa: PLR0913, PLR0917 (one argument a column)
    tx: Transaction, secrets: Secrets, wish: Wish, customer_id: UUID, actor: str, now: datetime
) -> Erasure:
    """Store the request, and say the event whose numbering executes it."""
    erasure_id = uuid4()
    subjects = wish.only_subject_ids or (customer_id,)
    said = _said(erasure_id, customer_id, subjects[0], subjects, now, secrets)
    erasure = Erasure(
        erasure_id=erasure_id,
        customer_id=customer_id,
        event_id=said.event_id,
        reason=wish.reason,
        requested_by=wish.requested_by,
        actor=actor,
        requested_at=now,
        guardian=wish.guardian,
        only_subject_ids=None if wish.only_subject_ids is None else list(wish.only_subject_ids),
    )
    await store.add(tx, erasure)
    await append(tx, [said])
    return erasure


async def find_erasure(reads: Reads, erasure_id: UUID) -> Erasure:
    """Return an erasure. Raises ErasureNotFound."""
    found = await store.erasure(reads, erasure_id)
    if found is None:
        raise ErasureNotFound("no erasure has this id", field="erasure_id")
    return found


def _said(  # noqa: PLR0913, PLR0917 (one argument a field)
    erasure_id: UUID,
    customer_id: UUID,
    subject_id: UUID,
    subject_ids: Sequence[UUID],
    at: datetime,
    secrets: Secrets,
) -> Outgoing:
    envelope = Envelope[CustomerErasedV1].of(
        CustomerErasedV1(erasure_id=erasure_id, customer_id=customer_id, subject_ids=tuple(subject_ids)),
        event_id=event_id_for(f"erased/{erasure_id}/{subject_id}", int(at.timestamp() * 1000), secrets.event_ids),
        occurred_at=at,
        received_at=at,
        subject_id=subject_id,
        subject_kind="identified",
        source=SOURCE,
    )
    return Outgoing.of(envelope)


def subject_digest(secrets: Secrets, subject_id: UUID) -> bytes:
    """Return what the ledger knows a subject by."""
    return content_digest(secrets.erasures, (b"subject", subject_id.bytes))


@dataclass(slots=True)
class Erasing:
    """The numbering hook that executes erasures; it runs before links are made, so that nobody erased is linked."""

    secrets: Secrets
    clock: Clock
    ledger: ErasureLedger
    _is_anybody_erased: bool = field(default=False)

    async def __call__(self, tx: Transaction, waiting: Sequence[Waiting]) -> list[Outgoing]:
        """Execute the erasures whose turn it is; make nobody's what comes of the erased."""
        due = await store.due(tx, [event.event_id for event in waiting])
        said = [outgoing for erasure in due for outgoing in await self._execute(tx, erasure)]
        if not self._is_anybody_erased:
            self._is_anybody_erased = await store.anybody_erased(tx)
        if self._is_anybody_erased:
            await self._catch_late(tx, waiting)
        return said

    async def _execute(self, tx: Transaction, erasure: Erasure) -> list[Outgoing]:
        at = self.clock.now()
        subject_ids = await self._subjects_of(tx, erasure)
        names = await store.names_of(tx, subject_ids)
        closed = [
            ClosedIdentifier(
                identifier_digest(self.secrets.erasures, name.namespace, name.blind_index), name.generation, at
            )
            for name in names
        ]
        # Before the commit: an entry without its erasure is harmless, an erasure without its entry is not.
        await self.ledger.add(
            [*(ErasedSubject(subject_digest(self.secrets, one), at) for one in subject_ids), *closed]
        )
        await store.close_identifiers(tx, [(one.digest, one.generation, one.at) for one in closed])
        await store.execute(tx, erasure.erasure_id, subject_ids, at)
        freed = await self._free_guests(tx, erasure, subject_ids, at)
        await store.forget_identity(tx, subject_ids)
        tx.on_commit(metrics.INGEST_ERASURES.labels(erasure.requested_by).inc)
        said = [
            _said(
                erasure.erasure_id,
                erasure.customer_id,
                one,
                subject_ids[:SUBJECTS_MAX],
                erasure.requested_at,
                self.secrets,
            )
            for one in subject_ids
        ]
        return [*freed, *(one for one in said if one.event_id != erasure.event_id)]

    async def _free_guests(
        self, tx: Transaction, erasure: Erasure, subject_ids: Sequence[UUID], at: datetime
    ) -> list[Outgoing]:
        """Make the receipts that the person claimed guests' again: they name nobody."""
        guests = await store.guests_of(tx, subject_ids)
        freed = [
            Assignment(guest, guest, version + 1, "unmerged", erasure.event_id) for guest, version in guests.items()
        ]
        if freed:
            await assign(tx, freed)
        return [assigned(one, None, at, at, self.secrets) for one in freed]

    async def _subjects_of(self, tx: Transaction, erasure: Erasure) -> list[UUID]:
        """Return everybody whom the erasure means at this place of the log: a link made before it counts."""
        if erasure.only_subject_ids is not None:
            return sorted(erasure.only_subject_ids)
        customer_id = await customer_of(tx, erasure.customer_id)
        everybody = {customer_id, erasure.customer_id, *await subjects_of(tx, customer_id)}
        return sorted(everybody - (await store.guests_of(tx, [customer_id])).keys())

    async def _catch_late(self, tx: Transaction, waiting: Sequence[Waiting]) -> None:
        event_ids = [event.event_id for event in waiting]
        await self._unlink(tx, event_ids)
        subject_of = {event.event_id: UUID(event.key) for event in waiting if _is_subject(event)}
        erased = await erased_among(tx, set(subject_of.values()))
        late = await store.bodies_under(tx, [one for one, subject_id in subject_of.items() if subject_id in erased])
        if late:
            await rewrite(tx, late)
            # The number still gets the old key, and the door may have stored whose it was: both are swept.
            await store.sweep_again(tx, {subject_of[event_id] for event_id in late})

    async def _unlink(self, tx: Transaction, event_ids: Sequence[UUID]) -> None:
        linked = await store.linked_to_erased(tx, event_ids)
        if linked:
            erased = await erased_among(tx, {one for subject_ids in linked.values() for one in subject_ids})
            await store.forget_identity(tx, sorted(erased))
            await store.sweep_again(tx, erased)


def _is_subject(event: Waiting) -> bool:
    """Say whether an event is keyed by a subject; things have keys that their shops chose."""
    return event.topic != "retail.catalogue.v1"
