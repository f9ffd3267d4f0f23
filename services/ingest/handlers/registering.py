"""Sources: who holds a write key, and making and disabling them."""

import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime

from services.ingest.domain.sources import Source, SourceKind
from services.ingest.errors import SourceExists, SourceNotFound
from services.ingest.store import sources as store
from services.ingest.store.sources import SourceRow
from shared.db import Database
from shared.keys import digest, new_key

FRESH_SECONDS = 1.0


@dataclass(slots=True)
class SourceBook:
    """All sources, read again at most once a second, so that a disabled one is refused at once."""

    database: Database
    _by_digest: dict[str, Source] = field(default_factory=dict)
    _read_at: float = float("-inf")

    async def holder(self, write_key: str) -> Source | None:
        """Return the source of a write key, disabled ones too; None when there is none."""
        await self._refresh()
        return self._by_digest.get(digest(write_key))

    async def ids(self) -> list[str]:
        await self._refresh()
        return sorted(source.source_id for source in self._by_digest.values())

    def forget(self) -> None:
        """Read again at the next question."""
        self._read_at = float("-inf")

    async def _refresh(self) -> None:
        if time.monotonic() - self._read_at < FRESH_SECONDS:
            return
        rows = await store.all_sources(self.database)
        self._by_digest = {row.key_digest: row.source for row in rows}
        self._read_at = time.monotonic()


async def list_sources(database: Database) -> list[SourceRow]:
    return await store.all_sources(database)


async def create_source(database: Database, kind: SourceKind, source_id: str | None, name: str) -> tuple[str, str]:
    """Make a source; return its id and its write key, which is shown this once.

    Raises SourceExists.
    """
    made_id = source_id or f"src_{secrets.token_hex(6)}"
    write_key = new_key()
    async with database.transaction() as tx:
        if not await store.create_source(tx, made_id, kind, name, digest(write_key)):
            raise SourceExists(f"there is a source {made_id} already; choose another id", field="/id")
    return made_id, write_key


async def disable_source(database: Database, source_id: str, at: datetime) -> None:
    """Refuse everything that the source sends from now on. Raises SourceNotFound."""
    async with database.transaction() as tx:
        if not await store.disable_source(tx, source_id, at):
            raise SourceNotFound(f"there is no source {source_id}", field="source_id")
