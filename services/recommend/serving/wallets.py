"""Owns reading a person's own coupons for a list, within the time that an answer has."""

import time
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.recommend.domain.offers import Coupon
from services.recommend.serving.reading import Monotonic, Patience, Reads
from services.recommend.store import coupons
from shared.db import Database


class Wallets:
    """Reads from the service's own database; nothing of it is kept, since a coupon may be used at any moment."""

    def __init__(self, database: Database, timeout_seconds: float, monotonic: Monotonic = time.monotonic) -> None:
        """Take how long one answer may wait."""
        self._database = database
        self._reads = Reads("coupons", timeout_seconds, monotonic)

    async def of(self, customer_id: UUID, now: datetime, patience: Patience | None = None) -> Sequence[Coupon] | None:
        """Return a customer's coupons at a moment; None where they could not be read in time."""
        return await self._reads.within(lambda: self._of(customer_id, now), patience)

    async def _of(self, customer_id: UUID, now: datetime) -> Sequence[Coupon]:
        async with self._database.session() as session:
            return await coupons.coupons_of(session, customer_id, now)
