"""Owns remembering what customers were shown lately, for the frequency cap; asked only where a cap is set.

An answer does not wait long: what comes late is there for the next one, and until then nothing is capped.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from services.recommend.domain.capping import DAYS_MAX, Exposure
from services.recommend.serving.reading import Monotonic, Patience, Reads
from services.recommend.store import exposures
from shared.db import Database

REMEMBERED_MAX = 10_000
KEPT_SECONDS = 60.0
READING_MAX = 50


@dataclass(slots=True)
class _Remembered:
    read_at: float
    exposure: Exposure
    own: list[tuple[datetime, Sequence[str]]] = field(default_factory=list)


class Exposures:
    """Read once a minute for each customer who asks; lists answered here since then are added."""

    def __init__(self, database: Database, timeout_seconds: float, monotonic: Monotonic = time.monotonic) -> None:
        """Take how long one answer may wait."""
        self._database = database
        self._monotonic = monotonic
        self._reads = Reads("exposures", timeout_seconds, monotonic)
        self._known: OrderedDict[UUID, _Remembered] = OrderedDict()
        self._reading: dict[UUID, asyncio.Future[None]] = {}

    async def of(self, customer_id: UUID, now: datetime, patience: Patience | None = None) -> Exposure | None:
        """Return what is known in time; None where nothing is, because the database is away or slow."""
        known = self._known.get(customer_id)
        if known is None or self._monotonic() - known.read_at > KEPT_SECONDS:
            if customer_id in self._reading or len(self._reading) < READING_MAX:
                await self._reads.within(lambda: self._read_once(customer_id, now), patience)
            known = self._known.get(customer_id)
        if known is None:
            return None
        self._known.move_to_end(customer_id)
        return Exposure([*known.exposure.shown, *known.own], known.exposure.taken)

    def note(self, customer_id: UUID, shown_at: datetime, product_ids: Sequence[str]) -> None:
        """Add a list that was just answered to a customer who is remembered."""
        known = self._known.get(customer_id)
        if known is not None and len(known.own) < exposures.LISTS_MAX:
            known.own.append((shown_at, product_ids))

    def _read_once(self, customer_id: UUID, now: datetime) -> asyncio.Future[None]:
        """Return the one reading of a customer that everybody waits for who asks meanwhile."""
        reading = self._reading.get(customer_id)
        if reading is None:
            reading = asyncio.ensure_future(self._read(customer_id, now))
            self._reading[customer_id] = reading
            reading.add_done_callback(lambda _: self._reading.pop(customer_id, None))
        return reading

    async def _read(self, customer_id: UUID, now: datetime) -> None:
        async with self._database.session() as session:
            found = await exposures.exposure_of(session, customer_id, now - timedelta(days=DAYS_MAX))
        self._known[customer_id] = _Remembered(self._monotonic(), found)
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
