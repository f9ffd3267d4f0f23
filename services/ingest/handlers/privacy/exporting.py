"""Exporting: all that all services hold of a customer, in one document, sealed under the customer's own key."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import structlog

from services.ingest import metrics
from services.ingest.clients import HoldingPeer
from services.ingest.domain.privacy import scrubbed_text
from services.ingest.domain.sealing import pack, seal
from services.ingest.errors import CustomerNotFound, ExportNotFound, PersonalText
from services.ingest.handlers.accepting.keeping import IDENTIFIER_FIELD, opened, opened_entry, original_place
from services.ingest.handlers.privacy.mentioning import refusals_mentioning
from services.ingest.holdings import HOLDINGS
from services.ingest.store import exports as store
from services.ingest.store import kept
from services.ingest.store.erasures import is_known
from services.ingest.store.exports import Export
from services.ingest.vault import Vault
from shared.clock import Clock
from shared.customers import customer_of, subjects_of
from shared.customers.assignments import Reads
from shared.customers.holdings import exported
from shared.db import Database, Transaction
from shared.errors import TransientError
from shared.keys import Caller

log = structlog.get_logger()

KEPT_FOR = timedelta(days=7)
EXPORTS_AT_ONCE = 10
ORIGINALS_MAX = 20_000


async def request_export(tx: Transaction, customer_id: UUID, purpose: str, caller: Caller, now: datetime) -> Export:
    """Queue an export; who asked, and what for, is recorded. Raises CustomerNotFound, PersonalText."""
    if scrubbed_text(purpose) != purpose:
        raise PersonalText("holds an e-mail address or phone number; leave it out", field="/purpose")
    customer_id = await customer_of(tx, customer_id)
    if not await is_known(tx, customer_id):
        raise CustomerNotFound("nothing is kept under this customer", field="/customer_id")
    await kept.audit_reveal(tx, caller, purpose, await subjects_of(tx, customer_id))
    export = Export(uuid4(), customer_id, purpose, caller.actor, now, now + KEPT_FOR)
    await store.add(tx, export)
    return export


async def find_export(reads: Reads, vault: Vault, export_id: UUID) -> tuple[Export, dict[str, Any] | None]:
    """Return an export, and its document once it is made. Raises ExportNotFound, also for an erased customer's."""
    export = await store.export(reads, export_id)
    if export is None:
        raise ExportNotFound("no export has this id, or it has expired", field="export_id")
    if export.sealed is None:
        return export, None
    keys = await vault.existing_keys([export.customer_id])
    text = opened(keys, export.customer_id, export.sealed, _place(export_id))
    if text is None:
        raise ExportNotFound("the customer was erased meanwhile", field="export_id")
    document: dict[str, Any] = orjson.loads(text)
    return export, document


def _place(export_id: UUID) -> str:
    return f"exports/{export_id}/sealed"


@dataclass(frozen=True, slots=True)
class Exporting:
    """The scheduled task; `services` are all asked, and an export waits for each of them."""

    database: Database
    vault: Vault
    clock: Clock
    services: tuple[str, ...]
    peers: Mapping[str, HoldingPeer]

    async def run(self) -> None:
        """Make what waits, and delete what has expired."""
        async with self.database.transaction() as tx:
            await store.delete_expired(tx, self.clock.now())
        for export in await store.waiting(self.database, EXPORTS_AT_ONCE):
            try:
                await self._make(export)
            except TransientError as away:
                log.warning("exports.service_away", export_id=str(export.export_id), reason=str(away))
            except Exception:
                # It is tried again; others must not wait for its being mended.
                metrics.INGEST_BESIDE_FAILURES.labels("exports").inc()
                log.exception("exports.failed", export_id=str(export.export_id))

    async def _make(self, export: Export) -> None:
        missing = sorted(set(self.services) - self.peers.keys())
        if missing:
            raise TransientError(f"PEERS names no address of {', '.join(missing)}")
        services = await self._held(export) | {"ingest": await self._own(export.customer_id)}
        document = {
            "customer_id": str(export.customer_id),
            "made_at": self.clock.now().isoformat(),
            "services": services,
        }
        keys = await self.vault.keys_for([export.customer_id])
        sealed = seal(keys[export.customer_id], pack(orjson.dumps(document)), _place(export.export_id))
        async with self.database.transaction() as tx:
            # Erased while it was being made: then there is no row any more, and nothing is kept.
            await store.keep_made(tx, export.export_id, sealed, self.clock.now())

    async def _held(self, export: Export) -> dict[str, Any]:
        """Ask all services at once, so that those that are away are waited for together."""
        asked = [self.peers[name].held(export.customer_id, export.purpose) for name in self.services]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return dict(zip(self.services, answers, strict=True))

    async def _own(self, customer_id: UUID) -> dict[str, Any]:
        """Return what ingest holds, with everything sealed opened."""
        async with self.database.transaction(isolation="repeatable_read") as tx:
            found = await exported(tx, HOLDINGS, customer_id)
            subject_ids = await subjects_of(tx, found.customer_id)
        refusals = await refusals_mentioning(self.database, self.vault, subject_ids)
        return {
            "customer_id": str(found.customer_id),
            "tables": found.tables,
            "truncated": found.truncated,
            "contacts": await self._contacts(subject_ids),
            "originals": await self._originals(subject_ids),
            "refused_inputs": {str(one): text.decode("utf-8", "replace") for one, text in refusals.items()},
        }

    async def _contacts(self, subject_ids: Sequence[UUID]) -> list[dict[str, str]]:
        entries = await kept.entries_of(self.database, subject_ids)
        keys = await self.vault.existing_keys(subject_ids)
        return [
            {
                "subject_id": str(one.subject_id),
                "field": "identifier" if one.field == IDENTIFIER_FIELD else one.field,
                "value": value,
            }
            for one in entries
            if (value := opened_entry(keys, one)) is not None
        ]

    async def _originals(self, subject_ids: Sequence[UUID]) -> dict[str, str]:
        rows = await store.sealed_originals(self.database, list(subject_ids), ORIGINALS_MAX)
        keys = await self.vault.existing_keys(subject_ids)
        found = {
            row["event_id"]: opened(keys, row["key_id"], row["sealed"], original_place(row["event_id"]))
            for row in rows
        }
        return {
            str(event_id): text.decode("utf-8", "replace") for event_id, text in found.items() if text is not None
        }
