"""Sources: who may send, and the digests of their keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ingest.domain.sources import Source, SourceKind
from shared.customers.assignments import Reads
from shared.db import Database, Transaction


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source as it is listed."""

    source_id: str
    kind: SourceKind
    name: str
    key_digest: str
    created_at: datetime
    disabled_at: datetime | None

    @property
    def source(self) -> Source:
        return Source(self.source_id, self.kind, disabled_at=self.disabled_at)


async def all_sources(reads: Reads) -> list[SourceRow]:
    rows = await reads.fetch(
        "SELECT source_id, kind, name, key_digest, created_at, disabled_at FROM sources ORDER BY source_id"
    )
    return [SourceRow(**{**dict(row), "kind": SourceKind(row["kind"])}) for row in rows]


async def create_source(tx: Transaction, source_id: str, kind: SourceKind, name: str, key_digest: str) -> bool:
    """Add a source; False when its id is taken."""
    added = await tx.execute(
        "INSERT INTO sources (source_id, kind, name, key_digest) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        source_id,
        kind.value,
        name,
        key_digest,
    )
    return added == 1


async def disable_source(tx: Transaction, source_id: str, at: datetime) -> bool:
    """Take the source's right to send; False when there is none of this id."""
    changed = await tx.execute(
        "UPDATE sources SET disabled_at = coalesce(disabled_at, $2) WHERE source_id = $1", source_id, at
    )
    return changed == 1


async def put_bootstrap_sources(database: Database, sources: Sequence[tuple[str, SourceKind, str]]) -> None:
    """Make these (id, kind, key digest) exist; one that is there gets this key, and stays disabled if it was."""
    async with database.transaction() as tx:
        for source_id, kind, key_digest in sorted(sources):
            await tx.execute(
                "INSERT INTO sources (source_id, kind, key_digest) VALUES ($1, $2, $3)"
                " ON CONFLICT (source_id) DO UPDATE SET kind = excluded.kind, key_digest = excluded.key_digest",
                source_id,
                kind.value,
                key_digest,
            )
