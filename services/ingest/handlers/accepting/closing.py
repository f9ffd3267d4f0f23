"""Which identifiers are closed, as a process knows it: read when it is two seconds old, only what is new.

What slips through in those seconds still carries the erased subject, and numbering catches it.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from services.ingest.domain.closing import Closed, still_open
from services.ingest.drafts import Draft, Secrets
from services.ingest.store import erasures as store
from shared.customers.assignments import Reads

FRESH_SECONDS = 2.0
READ_AT_ONCE = 10_000


@dataclass(slots=True)
class ClosedBook:
    """The closed identifiers, by their digests."""

    reads: Reads
    _known: dict[bytes, Closed] = field(default_factory=dict)
    _last: int = 0
    _read_at: float = float("-inf")
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def now(self) -> Mapping[bytes, Closed]:
        """Return what is closed, at most two seconds old."""
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            async with self._reading:
                if time.monotonic() - self._read_at > FRESH_SECONDS:
                    await self._read()
        return self._known

    def forget_age(self) -> None:
        """Read again at the next question."""
        self._read_at = float("-inf")

    async def _read(self) -> None:
        read_at = time.monotonic()
        while rows := await store.closed_after(self.reads, self._last, READ_AT_ONCE):
            for row in rows:
                known = self._known.get(row.digest)
                if known is None or known.generation <= row.generation:
                    self._known[row.digest] = Closed(row.generation, row.closed_at)
            self._last = rows[-1].number
        self._read_at = read_at


def without_erased(draft: Draft, closed: Mapping[bytes, Closed], secrets: Secrets) -> Draft:
    """Return the draft without identifiers whose owner was erased before, and then without anything personal."""
    sealed_for = () if draft.sealed_for is None else (draft.sealed_for,)
    named = (*draft.identifiers, *sealed_for)
    if not closed or not named:
        return draft
    left = still_open(draft.identifiers, closed, secrets.erasures, draft.occurred_at)
    left_for = still_open(sealed_for, closed, secrets.erasures, draft.occurred_at)
    kept = replace(draft, identifiers=left, sealed_for=next(iter(left_for), None))
    if len(left) + len(left_for) == len(named):
        return kept
    return replace(kept, contacts={}, marks=None, is_of_erased=True)
