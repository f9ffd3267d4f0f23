"""Retention: inputs as they came expire, and stored answers; the events made of them, and their keys, do not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.ingest.store import retention as store
from shared.clock import Clock
from shared.db import Database, Transaction
from shared.http.idempotency import purge_all_expired

CLAIM_TRIES_KEPT = timedelta(days=400)
"""A receipt whose proof was guessed at too often stays closed for so long after the last guess."""


@dataclass(frozen=True, slots=True)
class Retaining:
    """The recurring task; times in days."""

    database: Database
    clock: Clock
    originals_kept_days: int
    refusals_kept_days: int

    async def run(self) -> None:
        """Delete what is past its time, a bounded transaction at a time."""
        now = self.clock.now()
        await self._delete(store.delete_originals, now - timedelta(days=self.originals_kept_days))
        await self._delete(store.delete_refusals, now - timedelta(days=self.refusals_kept_days))
        await self._delete(store.delete_claim_tries, now - CLAIM_TRIES_KEPT)
        await purge_all_expired(self.database, now)

    async def _delete(self, delete: Callable[[Transaction, datetime], Awaitable[int]], before: datetime) -> None:
        deleted = store.DELETED_AT_ONCE
        while deleted == store.DELETED_AT_ONCE:
            async with self.database.transaction() as tx:
                deleted = await delete(tx, before)
