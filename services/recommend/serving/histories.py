"""Owns reading a customer's own past from the database within the time that an answer has.

The past is folded from the receipts as they are in the database at that moment, so that an applied receipt changes
the next list. A database that keeps not answering in time is left alone for a moment: answers then come at once.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.recommend import metrics
from services.recommend.domain.consents import allows_personalisation
from services.recommend.domain.facts import net_baskets
from services.recommend.serving.past import NOBODY, Past
from services.recommend.serving.reading import Monotonic, Patience, Reads
from services.recommend.store import customers
from shared.db import Database

WARM_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Own:
    """A customer as they are now. `past` and `segments` are empty where the use of their history is withdrawn.

    `version` stands for all of this while it stays as it is; None where it was not in memory. `is_old`: it was, and
    nothing was heard of changes for a while.
    """

    customer_id: UUID
    past: Past
    is_allowed: bool
    version: int | None = None
    is_old: bool = False
    segments: tuple[str, ...] = ()


class Histories:
    """Reads from the service's own database; None means that it was away."""

    def __init__(self, database: Database, timeout_seconds: float, monotonic: Monotonic = time.monotonic) -> None:
        """Take how long one answer may wait."""
        self._database = database
        self._reads = Reads("history", timeout_seconds, monotonic)

    async def own(
        self,
        customer_id: UUID,
        channel: str | None,
        until: datetime | None = None,
        patience: Patience | None = None,
    ) -> Own | None:
        """Return a customer's past; `until` leaves out what happened later."""
        return await self._reads.within(lambda: self._own(customer_id, channel, until), patience)

    async def warm_up(self) -> None:
        """Open the connections that simultaneous answers will use: opening one takes longer than an answer may."""
        nobody = UUID(int=0)
        await asyncio.gather(*(self._own(nobody, None, None) for _ in range(WARM_CONNECTIONS)))

    async def session_items(self, session_id: str, patience: Patience | None = None) -> Sequence[str] | None:
        """Return the products last looked at in a session, the latest last."""
        return await self._reads.within(lambda: self._session_items(session_id), patience)

    async def _own(self, customer_id: UUID, channel: str | None, until: datetime | None) -> Own:
        with metrics.HISTORY_SECONDS.time():
            async with self._database.session() as session:
                known = await customers.known(session, customer_id)
            if not allows_personalisation(known.withdrawn_channels, channel):
                return Own(known.customer_id, NOBODY, is_allowed=False)
            counted = known.facts if until is None else [fact for fact in known.facts if fact.at < until]
            past = Past(net_baskets(counted))
            return Own(known.customer_id, past, is_allowed=True, segments=known.segments)

    async def _session_items(self, session_id: str) -> Sequence[str]:
        async with self._database.session() as session:
            return await customers.session_items(session, session_id)
