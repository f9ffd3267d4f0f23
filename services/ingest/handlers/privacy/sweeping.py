"""Sweeping after an erasure: keys, sealed rows, the archive; then asking every service until all have confirmed.

Every step may be repeated: a crash repeats it. What comes of an erased person later is swept the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from services.ingest import metrics
from services.ingest.clients import HoldingPeer
from services.ingest.handlers.privacy.mentioning import refusals_mentioning
from services.ingest.store import erasures as store
from services.ingest.store.erasures import Confirmation, Erasure
from services.ingest.vault import Vault
from shared.clock import Clock
from shared.db import Database, is_transient
from shared.errors import TransientError
from shared.log.forgetting import forget_events

log = structlog.get_logger()

ERASURES_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Sweeping:
    """The scheduled task. `services` have to confirm; one whose address is not known among `peers` never does."""

    database: Database
    vault: Vault
    clock: Clock
    services: tuple[str, ...]
    peers: Mapping[str, HoldingPeer]

    async def run(self) -> None:
        """Sweep what is to go; then ask who has not confirmed, a service that is away only once."""
        for erasure in await store.unswept(self.database, ERASURES_AT_ONCE):
            await self._sweep_alone(erasure)
        unconfirmed = await store.unconfirmed(self.database, ERASURES_AT_ONCE)
        away: set[str] = set()
        for erasure in unconfirmed:
            await self._confirm(erasure, away)
        metrics.INGEST_ERASURES_OPEN.set(len(unconfirmed))

    async def _sweep_alone(self, erasure: Erasure) -> None:
        """Sweep one; a fault in it is told, and tried again, and holds up no other's right to be forgotten."""
        try:
            await self._sweep(erasure)
        except Exception as error:
            if is_transient(error):
                raise
            metrics.INGEST_BESIDE_FAILURES.labels("erasures").inc()
            log.exception("erasures.sweep_failed", erasure_id=str(erasure.erasure_id))

    async def _sweep(self, erasure: Erasure) -> None:
        subject_ids = await store.subjects_of_erasure(self.database, erasure.erasure_id, unswept=True)
        if subject_ids:
            await self._make_unreadable(erasure, subject_ids)
            await self._rewrite(erasure, subject_ids)

    async def _make_unreadable(self, erasure: Erasure, subject_ids: Sequence[UUID]) -> None:
        """Destroy keys and sealed rows. Refused inputs lie under the month's key: those that name the person go."""
        mentioning = await refusals_mentioning(self.database, self.vault, subject_ids)
        destroyed = await self.vault.destroy(subject_ids)
        async with self.database.transaction() as tx:
            counts = await store.forget_sealed(tx, subject_ids)
            counts["refusals"] += await store.delete_refusals(tx, mentioning)
            counts["keys"] = destroyed
            await store.forget_identity(tx, subject_ids)
            await store.add_counts(tx, erasure.erasure_id, counts)
            await store.note_step(tx, erasure.erasure_id, "unreadable_at", self.clock.now())

    async def _rewrite(self, erasure: Erasure, subject_ids: Sequence[UUID]) -> None:
        """Make the archive's events nobody's, a bounded transaction at a time; the last one finds nothing more."""
        rewritten = -1
        while rewritten:
            async with self.database.transaction() as tx:
                await store.lock_subjects(tx, subject_ids)
                rewritten = await forget_events(tx, subject_ids)
                await store.add_counts(tx, erasure.erasure_id, {"events": rewritten})
                if not rewritten:
                    now = self.clock.now()
                    await store.note_swept(tx, subject_ids, now)
                    await store.note_step(tx, erasure.erasure_id, "rewritten_at", now)

    async def _confirm(self, erasure: Erasure, away: set[str]) -> None:
        """Ask those who have not confirmed; one that is `away` is asked again at the next run."""
        expected = set(await store.subjects_of_erasure(self.database, erasure.erasure_id))
        done = {one.service for one in await store.confirmations_of(self.database, erasure.erasure_id)}
        for service in sorted(self.peers.keys() - done - away):
            if not await self._ask(erasure, service, expected):
                away.add(service)
        done = {one.service for one in await store.confirmations_of(self.database, erasure.erasure_id)}
        current = await store.erasure(self.database, erasure.erasure_id)
        if done >= set(self.services) and current is not None and current.rewritten_at is not None:
            async with self.database.transaction() as tx:
                await store.note_step(tx, erasure.erasure_id, "confirmed_at", self.clock.now())

    async def _ask(self, erasure: Erasure, service: str, expected: set[UUID]) -> bool:
        """Ask one service; False when it is away."""
        try:
            applied = await self.peers[service].applied(erasure.erasure_id)
        except TransientError as away:
            log.warning("erasures.service_away", service=service, reason=str(away))
            return False
        if applied.applied_at is not None and expected <= set(applied.subject_ids):
            async with self.database.transaction() as tx:
                confirmation = Confirmation(service, applied.applied_at, self.clock.now())
                await store.confirm(tx, erasure.erasure_id, confirmation)
        return True
