"""Revealing: the contact data of customers, opened for a purpose that is recorded first."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from services.ingest.handlers.accepting.keeping import IDENTIFIER_FIELD, opened_entry
from services.ingest.store import kept, subjects
from services.ingest.vault import Vault
from shared.customers import customers_of, owners_of
from shared.db import Database
from shared.keys import Caller


@dataclass(frozen=True, slots=True)
class Contact:
    """One opened field of the vault."""

    subject_id: UUID
    namespace: str
    field: str
    value: str


async def reveal(
    database: Database, vault: Vault, caller: Caller, customer_ids: Collection[UUID], purpose: str
) -> dict[UUID, list[Contact]]:
    """Open the contact data of customers; who asked, and what for, is recorded before anything is opened."""
    customer_of_asked = await customers_of(database, customer_ids)
    owners = await owners_of(database, customer_of_asked.values())
    async with database.transaction() as tx:
        await kept.audit_reveal(tx, caller, purpose, sorted(owners))
        entries = await kept.entries_of(tx, owners)
        named = await subjects.subjects_named(tx, owners)
    keys = await vault.existing_keys(entry.subject_id for entry in entries)
    opened: dict[UUID, list[Contact]] = {}
    for entry in entries:
        value, known = opened_entry(keys, entry), named.get(entry.subject_id)
        # Whose subject is gone was erased between the two looks.
        if value is not None and known is not None:
            field = known.namespace if entry.field == IDENTIFIER_FIELD else entry.field
            contact = Contact(entry.subject_id, known.namespace, field, value)
            opened.setdefault(owners[entry.subject_id], []).append(contact)
    return {asked: opened.get(customer_id, []) for asked, customer_id in customer_of_asked.items()}
