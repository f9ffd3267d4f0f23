"""Guests' receipts that take another receipt back and came before it: they belong to whoever that belongs to.

Decided where events are numbered, by one process, so that the two may be accepted side by side in any order: the one
of them that is numbered last makes the link.
"""

from collections.abc import Sequence
from uuid import UUID

from services.ingest.domain.policy import GUEST
from services.ingest.store import awaited
from services.ingest.store import subjects as store
from services.ingest.store.awaited import Follower
from services.ingest.store.subjects import NewSubject, PendingLink
from shared.db import Transaction
from shared.identity import guest_subject_id
from shared.log.domain import Waiting

CAUSE = "refers_to"


async def take_followed(tx: Transaction, waiting: Sequence[Waiting]) -> list[PendingLink]:
    """Return the links of receipts whose originals are numbered now, or were before; each is returned once."""
    followers = await awaited.followers_around(tx, [event.event_id for event in waiting])
    if not followers:
        return []
    ends = {end for one in followers for end in (one.original_id, one.event_id)}
    keys = await awaited.numbered_keys(tx, ends) | {event.event_id: event.key for event in waiting}
    ready = [one for one in followers if one.original_id in keys and one.event_id in keys]
    if not ready:
        return []
    await awaited.forget(tx, ready)
    await store.add_subjects(tx, _guests(ready, keys))
    pairs = [(one, UUID(keys[one.original_id])) for one in ready]
    return [
        PendingLink(one.event_id, (holder, one.subject_id), one.occurred_at, CAUSE)
        for one, holder in pairs
        if holder != one.subject_id
    ]


def _guests(followers: Sequence[Follower], keys: dict[UUID, str]) -> list[NewSubject]:
    """Return the receipts' own subjects as ones that can be linked; they hold nothing of a person's."""
    found = {one.subject_id: _guest(one.subject_id, one) for one in followers}
    for one in followers:
        holder = guest_subject_id(one.original_id)
        if UUID(keys[one.original_id]) == holder:
            found[holder] = _guest(holder, one)
    return list(found.values())


def _guest(subject_id: UUID, one: Follower) -> NewSubject:
    event_id = one.event_id if subject_id == one.subject_id else one.original_id
    return NewSubject(subject_id, GUEST, event_id.bytes, 0, "receipt", one.occurred_at, one.occurred_at)
