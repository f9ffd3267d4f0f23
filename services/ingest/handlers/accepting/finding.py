"""Finding: where an event is, or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.ingest.domain.digests import key_digest, message_key
from services.ingest.drafts import Secrets
from services.ingest.errors import EventNotFound
from services.ingest.handlers.accepting.keeping import lookup_digest
from services.ingest.store import archive, dedup, kept
from shared.customers import customer_of
from shared.db import Database
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
