"""Finding: where an event is, whose identifier it is, and the contact data of customers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.ingest.domain.closing import Closed, identifier_digest
from services.ingest.domain.digests import key_digest, message_key
from services.ingest.domain.identifiers import blind
from services.ingest.drafts import Secrets
from services.ingest.errors import BadIdentifier, EventNotFound, IdentityNotFound
from services.ingest.handlers.keeping import IDENTIFIER_FIELD, lookup_digest, opened_entry
from services.ingest.store import archive, dedup, kept, subjects
from services.ingest.vault import Vault
from shared.customers import customer_of, customers_of, subjects_of
from shared.db import Database
from shared.errors import field_error
from shared.identity import InvalidIdentifier
from shared.keys import Caller

State = Literal["stored", "numbered", "published", "refused", "conflict"]


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """Where an event is, or why there is none."""

    message_id: str
    event_id: UUID | None
    state: State
    received_at: datetime
    type: str | None = None
    topic: str | None = None
    partition: int | None = None
    seq: int | None = None
    subject_id: UUID | None = None
    customer_id: UUID | None = None
    reason: str | None = None
    conflicts: int = 0


async def find_event(
    database: Database, secrets: Secrets, message_id: str, source_ids: Sequence[str], caller: Caller
) -> FoundEvent:
    """Find an event by its id or by its message number at one of the sources. Raises EventNotFound.

    What was accepted is found before what was refused under the same number; what is of stores that the caller is not
    for is not found.
    """
    digests = [key_digest(secrets.keys, message_key(source_id, message_id)) for source_id in source_ids]
    claims = await dedup.known_keys(database, digests)
    event_ids = [claim.event_id for claim in claims.values()]
    as_id = _uuid(message_id)
    for event_id in [*event_ids, *([as_id] if as_id is not None else [])]:
        place = await archive.place_of(database, event_id)
        if place is not None and _may_see(caller, place):
            return await _found(database, message_id, place)
    refusal = await kept.latest_refusal(database, lookup_digest(secrets, message_id))
    if refusal is None or not caller.may_see(refusal.store_ids):
        raise EventNotFound("no event of this message_id came here", field="message_id")
    return FoundEvent(message_id, refusal.event_id, refusal.outcome, refusal.received_at, reason=refusal.message)


def _may_see(caller: Caller, place: archive.Place) -> bool:
    """Say whether an event is of the caller's stores, or was sent with the caller's own key."""
    if place.envelope is None:
        return caller.own_store_ids is None
    store_id = place.envelope.store_id
    is_own = place.envelope.source.id == caller.key_id
    return is_own or caller.may_see(None if store_id is None else [store_id])


async def _found(database: Database, message_id: str, place: archive.Place) -> FoundEvent:
    envelope = place.envelope
    is_person = envelope is not None and envelope.subject_kind != "none"
    subject_id = None if envelope is None else envelope.subject_id
    return FoundEvent(
        message_id=message_id,
        event_id=place.event_id,
        state=place.state,
        received_at=place.stored_at if envelope is None else envelope.received_at,
        type=place.type,
        topic=place.topic,
        partition=place.partition,
        seq=place.seq,
        subject_id=subject_id,
        customer_id=await customer_of(database, subject_id) if is_person and subject_id is not None else None,
        reason="its content is not kept any more" if envelope is None else None,
        conflicts=place.conflicts,
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class ResolvedSubject:
    """Whose identifier it is."""

    subject_id: UUID
    customer_id: UUID
    is_known: bool


async def resolve(  # noqa: PLR0913, PLR0917 (one argument a fact)
    database: Database, secrets: Secrets, namespace: str, value: str, region: str, closed: Mapping[bytes, Closed]
) -> ResolvedSubject:
    """Return the subject of an identifier as it is today, and its customer. Raises BadIdentifier.

    One whose owner was erased means the next generation: nobody yet, or who has it since.
    """
    try:
        identifier = blind(secrets.blind, namespace, value, region)
    except InvalidIdentifier as error:
        field = "/namespace" if error.field == "namespace" else "/value"
        message = f"{error.field} {error.reason}; {error.cure}"
        errors = [field_error(field, message, "invalid_identifier")]
        raise BadIdentifier(message, field=field, errors=errors) from error
    erased = closed.get(identifier_digest(secrets.erasures, identifier.namespace, identifier.blind_index))
    if erased is not None and identifier.may_be_reissued:
        identifier = replace(identifier, generation_min=erased.generation + 1)
    found = await subjects.meaning_of(database, (identifier.namespace, identifier.blind_index))
    if found is None or found.generation < identifier.generation_min:
        nobody_yet = identifier.subject_id()
        return ResolvedSubject(nobody_yet, nobody_yet, is_known=False)
    return ResolvedSubject(found.subject_id, found.customer_id, is_known=True)


async def resolve_known(  # noqa: PLR0913, PLR0917 (one argument a fact)
    database: Database, secrets: Secrets, namespace: str, value: str, region: str, closed: Mapping[bytes, Closed]
) -> UUID:
    """Return the subject of an identifier that was seen before. Raises BadIdentifier and IdentityNotFound."""
    found = await resolve(database, secrets, namespace, value, region, closed)
    if not found.is_known:
        raise IdentityNotFound("this identifier was never seen here; send the customer first", field="/identifier")
    return found.subject_id


@dataclass(frozen=True, slots=True)
class Contact:
    """One opened field of the vault."""

    subject_id: UUID
    namespace: str
    field: str
    value: str


async def reveal(
    database: Database, vault: Vault, caller: Caller, customer_ids: Collection[UUID], purpose: str
) -> dict[UUID, list[Contact]]:
    """Open the contact data of customers; who asked, and what for, is recorded before anything is opened."""
    customer_of_asked = await customers_of(database, customer_ids)
    owners: dict[UUID, UUID] = {}
    for customer_id in set(customer_of_asked.values()):
        owners |= dict.fromkeys(await subjects_of(database, customer_id), customer_id)
    async with database.transaction() as tx:
        await kept.audit_reveal(tx, caller, purpose, sorted(owners))
        entries = await kept.entries_of(tx, owners)
        named = await subjects.subjects_named(tx, owners)
    keys = await vault.existing_keys(entry.subject_id for entry in entries)
    opened: dict[UUID, list[Contact]] = {}
    for entry in entries:
        value, known = opened_entry(keys, entry), named.get(entry.subject_id)
        # Whose subject is gone was erased between the two looks.
        if value is not None and known is not None:
            field = known.namespace if entry.field == IDENTIFIER_FIELD else entry.field
            contact = Contact(entry.subject_id, known.namespace, field, value)
            opened.setdefault(owners[entry.subject_id], []).append(contact)
    return {asked: opened.get(customer_id, []) for asked, customer_id in customer_of_asked.items()}
