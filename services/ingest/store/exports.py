"""Exports: who asked for which customer's data, and the sealed document until it expires."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.customers.assignments import Reads
from shared.db import Row, Transaction


@dataclass(frozen=True, slots=True)
class Export:
    """One request for all that is held of a customer."""

    export_id: UUID
    customer_id: UUID
    purpose: str
    actor: str
    requested_at: datetime
    expires_at: datetime
    made_at: datetime | None = None
    sealed: bytes | None = None


_COLUMNS = "export_id, customer_id, purpose, actor, requested_at, expires_at, made_at, sealed"


async def add(tx: Transaction, export: Export) -> None:
    await tx.execute(
        "INSERT INTO exports (export_id, customer_id, purpose, actor, requested_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        export.export_id,
        export.customer_id,
        export.purpose,
        export.actor,
        export.requested_at,
        export.expires_at,
    )


async def export(reads: Reads, export_id: UUID) -> Export | None:
    rows = await reads.fetch(f"SELECT {_COLUMNS} FROM exports WHERE export_id = $1", export_id)
    return _export(rows[0]) if rows else None


async def waiting(reads: Reads, limit: int) -> list[Export]:
    """Return some exports that are not made yet: others each time, so that one that cannot be made holds up none."""
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM exports WHERE made_at IS NULL ORDER BY random() LIMIT $1", limit
    )
    return [_export(row) for row in rows]


async def keep_made(tx: Transaction, export_id: UUID, sealed: bytes, at: datetime) -> None:
    await tx.execute(
        "UPDATE exports SET sealed = $2, made_at = $3 WHERE export_id = $1 AND made_at IS NULL", export_id, sealed, at
    )


async def delete_expired(tx: Transaction, now: datetime) -> int:
    return await tx.execute("DELETE FROM exports WHERE expires_at <= $1", now)


async def sealed_originals(reads: Reads, key_ids: list[UUID], limit: int) -> list[Row]:
    """Return the inputs that were sealed under these keys: event_id, key_id, sealed."""
    return await reads.fetch(
        "SELECT event_id, key_id, sealed FROM originals WHERE key_id = ANY($1::uuid[]) ORDER BY event_id LIMIT $2",
        key_ids,
        limit,
    )


def _export(row: Row) -> Export:
    return Export(**dict(row))
