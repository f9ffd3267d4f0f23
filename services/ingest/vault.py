"""The keys that personal data are sealed under: made in bulk, unwrapped here, forgotten within a minute.

Nothing is kept longer, so that data whose key was destroyed become unreadable everywhere in that time.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from cachetools import TTLCache

from services.ingest.domain.sealing import new_key, seal, unseal
from services.ingest.store import keys
from shared.db import Database

KEPT_SECONDS = 40.0
"""Less than a minute, with time for whoever destroys a key to get to it."""
KEPT_MAX = 20_000


class Vault:
    """Keys by id. A subject's key is made first, in a commit of its own; one that is never used is harmless."""

    def __init__(self, database: Database, wrapping_key: bytes) -> None:
        self._database = database
        self._wrapping_key = wrapping_key
        self._kept: TTLCache[UUID, bytes] = TTLCache(KEPT_MAX, KEPT_SECONDS)

    async def keys_for(self, key_ids: Iterable[UUID]) -> dict[UUID, bytes]:
        """Return the keys, making those that do not exist yet."""
        wanted = set(key_ids)
        found = self._remembered(wanted)
        missing = wanted - found.keys()
        if missing:
            wrapped = await keys.wrapped_keys(self._database, missing)
            unmade = missing - wrapped.keys()
            if unmade:
                made = {key_id: self._wrap(key_id, new_key()) for key_id in unmade}
                wrapped |= await keys.add_wrapped_keys(self._database, made)
            found |= self._remember(wrapped)
        return found

    async def existing_keys(self, key_ids: Iterable[UUID]) -> dict[UUID, bytes]:
        """Return the keys that exist; what lacks one was forgotten and stays so."""
        wanted = set(key_ids)
        found = self._remembered(wanted)
        wrapped = await keys.wrapped_keys(self._database, wanted - found.keys())
        return found | self._remember(wrapped)

    def _remembered(self, wanted: Iterable[UUID]) -> dict[UUID, bytes]:
        found = ((key_id, self._kept.get(key_id)) for key_id in wanted)
        return {key_id: key for key_id, key in found if key is not None}

    async def destroy(self, key_ids: Iterable[UUID]) -> int:
        """Destroy keys for good; other processes forget them within a minute. Returns how many there were."""
        gone = set(key_ids)
        for key_id in gone:
            self._kept.pop(key_id, None)
        return await keys.destroy_keys(self._database, gone)

    def _remember(self, wrapped: Mapping[UUID, bytes]) -> dict[UUID, bytes]:
        opened = {key_id: self._unwrap(key_id, one) for key_id, one in wrapped.items()}
        self._kept.update(opened)
        return opened

    def _wrap(self, key_id: UUID, key: bytes) -> bytes:
        return seal(self._wrapping_key, key, f"subject_keys/{key_id}/wrapped")

    def _unwrap(self, key_id: UUID, wrapped: bytes) -> bytes:
        return unseal(self._wrapping_key, wrapped, f"subject_keys/{key_id}/wrapped")
