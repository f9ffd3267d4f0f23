"""Finding refused inputs that name a person: they lie under the month's key, since nobody knew whose they were."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.ingest.domain.mentions import Mentioned
from services.ingest.handlers.accepting.keeping import IDENTIFIER_FIELD, opened, opened_entry, refusal_place
from services.ingest.store import erasures as store
from services.ingest.store import kept
from services.ingest.vault import Vault
from shared.db import Database, Row

REFUSALS_AT_ONCE = 500


async def refusals_mentioning(database: Database, vault: Vault, subject_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """Return the refused inputs (id and text) in which one of the subjects' identifiers stands."""
    mentioned = await _mentioned(database, vault, subject_ids)
    found: dict[UUID, bytes] = {}
    after = UUID(int=0)
    while mentioned and (rows := await store.sealed_refusals_after(database, after, REFUSALS_AT_ONCE)):
        keys = await vault.existing_keys({row["key_id"] for row in rows})
        texts = {row["refusal_id"]: _opened(row, keys) for row in rows}
        found |= {refusal_id: text for refusal_id, text in texts.items() if mentioned.stands_in(text)}
        after = rows[-1]["refusal_id"]
    return found


async def _mentioned(database: Database, vault: Vault, subject_ids: Sequence[UUID]) -> Mentioned:
    """Return what the subjects were called, as long as their keys are there."""
    entries = [one for one in await kept.entries_of(database, subject_ids) if one.field == IDENTIFIER_FIELD]
    keys = await vault.existing_keys(entry.subject_id for entry in entries)
    values = (opened_entry(keys, one) for one in entries)
    return Mentioned.of(value for value in values if value is not None)


def _opened(row: Row, keys: Mapping[UUID, bytes]) -> bytes:
    return opened(keys, row["key_id"], row["sealed"], refusal_place(row["refusal_id"])) or b""
