"""Recognising a request that was sent before, before anything is made of it.

A client that got no answer sends the same batch again, as it was. So the first and the last item tell whether it is
worth asking for all: a new batch pays for one short question, a repeated one is not settled and sealed for nothing.
Whatever is not recognised here is recognised when it is stored, by the same keys.
"""

from collections.abc import Sequence
from uuid import UUID

from services.ingest.domain.digests import key_digest
from services.ingest.drafts import Draft, Secrets, key_text
from services.ingest.store import dedup
from shared.customers.assignments import Reads
from shared.records import record

ASKED_FROM_ITEMS = 50
"""Of so many items and more it is asked: for a few the question would cost more than making their events."""


@record
class Repeat:
    """A draft whose key was taken before by the same content."""

    draft: Draft
    event_id: UUID

    @property
    def message_id(self) -> str:
        return self.draft.message_id or str(self.event_id)


async def repeats_of(reads: Reads, drafts: Sequence[Draft], secrets: Secrets) -> list[Repeat]:
    """Return those of a large request's drafts that were accepted before, where its first or its last was."""
    if len(drafts) < ASKED_FROM_ITEMS:
        return []
    asked = {key_digest(secrets.keys, key_text(draft.key)): draft for draft in drafts if _has_one_key(draft)}
    digests = list(asked)
    if not digests or not await dedup.known_keys(reads, [digests[0], digests[-1]]):
        return []
    known = await dedup.known_keys(reads, digests)
    return [
        Repeat(draft, known[digest].event_id)
        for digest, draft in asked.items()
        if digest in known and known[digest].content_digest == draft.content
    ]


def _has_one_key(draft: Draft) -> bool:
    """Whether what it says, and under which key, does not depend on what is stored.

    A receipt's key depends on its terminal's day, an order's on its edits; of an erased person nothing is answered
    that depends on what was kept.
    """
    return isinstance(draft.key, str) and not draft.is_order and not draft.is_of_erased
