"""Replaying the erasure ledger: whoever a restored database brought back is erased again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from services.ingest.drafts import Secrets
from services.ingest.handlers.privacy.erasing import SUBJECTS_MAX, Wish, queue, subject_digest
from services.ingest.ledger import ClosedIdentifier, ErasedSubject, ErasureLedger
from services.ingest.store import erasures as store
from services.ingest.vault import Vault
from shared.clock import Clock
from shared.customers import customers_of
from shared.db import Database

log = structlog.get_logger()

AT_ONCE = 5_000
ACTOR = "erasure ledger"
REASON = "back from a back-up that is older than the erasure"


@dataclass(frozen=True, slots=True)
class Replaying:
    """Compares the ledger with the databases; to be run before anything serves."""

    database: Database
    vault: Vault
    secrets: Secrets
    clock: Clock
    ledger: ErasureLedger

    async def run(self) -> int:
        """Close what the ledger says is closed, and queue the erasure of everybody who is back; return how many."""
        entries = self.ledger.read()
        await self._close([entry for entry in entries if isinstance(entry, ClosedIdentifier)])
        known = await self._known()
        missing = {entry.digest for entry in entries if isinstance(entry, ErasedSubject)} - known
        back = await self._back(missing) if missing else []
        await self._erase_again(back)
        if back:
            log.warning("erasures.replayed", subjects=len(back))
        return len(back)

    async def _close(self, closed: Sequence[ClosedIdentifier]) -> None:
        for page in _pages(closed):
            async with self.database.transaction() as tx:
                await store.close_identifiers(tx, {(one.digest, one.generation, one.at) for one in page})

    async def _known(self) -> set[bytes]:
        """Return the digests of those whom this database knows as erased, and see that the vault has none of them.

        The vault's own back-up may have brought their keys back.
        """
        known: set[bytes] = set()
        after = UUID(int=0)
        while subject_ids := await store.erased_after(self.database, after, AT_ONCE):
            await self.vault.destroy(subject_ids)
            known |= {subject_digest(self.secrets, subject_id) for subject_id in subject_ids}
            after = subject_ids[-1]
        return known

    async def _back(self, missing: set[bytes]) -> list[UUID]:
        found: list[UUID] = []
        after = UUID(int=0)
        while subject_ids := await store.subject_ids_after(self.database, after, AT_ONCE):
            found += [one for one in subject_ids if subject_digest(self.secrets, one) in missing]
            after = subject_ids[-1]
        return found

    async def _erase_again(self, back: Sequence[UUID]) -> None:
        for customer_id, subject_ids in (await self._by_customer(back)).items():
            async with self.database.transaction() as tx:
                if await store.waiting_for(tx, customer_id) is None:
                    wish = Wish(customer_id, REASON, "ledger", only_subject_ids=tuple(subject_ids[:SUBJECTS_MAX]))
                    await queue(tx, self.secrets, wish, customer_id, ACTOR, self.clock.now())

    async def _by_customer(self, subject_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
        grouped: dict[UUID, list[UUID]] = {}
        for subject_id, customer_id in (await customers_of(self.database, subject_ids)).items():
            grouped.setdefault(customer_id, []).append(subject_id)
        return grouped


def _pages(entries: Sequence[ClosedIdentifier]) -> Iterable[Sequence[ClosedIdentifier]]:
    return (entries[start : start + AT_ONCE] for start in range(0, len(entries), AT_ONCE))
