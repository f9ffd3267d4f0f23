"""Imports: the files that wait, in sealed pieces; how far each one is; and the lines that were not accepted."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.customers.assignments import Reads
from shared.db import Database, Row, Transaction

OPEN_STATES = ("uploading", "waiting", "queued", "running")
REPORT_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of items; `records` is the place in the file's order of items, `rows` its lines."""

    records: int = 0
    rows: int = 0
    accepted: int = 0
    repeated: int = 0
    conflicts: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One import as it is kept."""

    import_id: UUID
    name: str
    kind: str
    state: str
    key_id: str
    actor: str
    store_ids: tuple[str, ...] | None
    reading: dict[str, Any]
    digest: bytes
    size_bytes: int
    created_at: datetime
    started_at: datetime | None
    changed_at: datetime
    ended_at: datetime | None
    rows_total: int | None
    counts: Counts
    failure_code: str | None
    failure: str | None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that was not accepted, or was with something left out."""

    line: int
    status: str
    code: str
    message: str
    field: str | None
    column: str | None
    message_id: str | None


_COLUMNS = (
    "import_id, name, kind, state, key_id, actor, store_ids, reading, digest, size_bytes, created_at, started_at,"
    " changed_at, ended_at, rows_total, records_done, rows_read, accepted, repeated, conflicts, refused,"
    " failure_code, failure"
)


def _import(row: Row) -> ImportRow:
    found = dict(row)
    names = ("rows_read", "accepted", "repeated", "conflicts", "refused")
    rows, accepted, repeated, conflicts, refused = (found.pop(name) for name in names)
    counts = Counts(found.pop("records_done"), rows, accepted, repeated, conflicts, refused)
    stores = found.pop("store_ids")
    return ImportRow(**found, counts=counts, store_ids=None if stores is None else tuple(stores))


async def count_open(reads: Reads) -> int:
    rows = await reads.fetch("SELECT count(*) AS n FROM imports WHERE state = ANY($1::text[])", list(OPEN_STATES))
    found: int = rows[0]["n"]
    return found


async def begin_upload(tx: Transaction, one: ImportRow) -> None:
    """Keep an import whose file is on its way."""
    await tx.execute(
        "INSERT INTO imports (import_id, name, kind, state, key_id, actor, store_ids, reading, digest, size_bytes,"
        " created_at, changed_at) VALUES ($1, $2, $3, 'uploading', $4, $5, $6, $7, $8, 0, $9, $9)",
        one.import_id,
        one.name,
        one.kind,
        one.key_id,
        one.actor,
        None if one.store_ids is None else list(one.store_ids),
        one.reading,
        one.digest,
        one.created_at,
    )


async def add_chunk(tx: Transaction, import_id: UUID, number: int, sealed: bytes) -> None:
    await tx.execute(
        "INSERT INTO import_chunks (import_id, number, sealed) VALUES ($1, $2, $3)", import_id, number, sealed
    )


async def chunk(reads: Reads, import_id: UUID, number: int) -> bytes | None:
    """Return a sealed piece; None when the file is no longer there."""
    rows = await reads.fetch(
        "SELECT sealed FROM import_chunks WHERE import_id = $1 AND number = $2", import_id, number
    )
    return rows[0]["sealed"] if rows else None


async def uploaded(  # noqa: PLR0913, PLR0917 (what is known once the file is there)
    tx: Transaction,
    import_id: UUID,
    state: str,
    reading: dict[str, Any],
    digest: bytes,
    size_bytes: int,
    at: datetime,
) -> None:
    await tx.execute(
        "UPDATE imports SET state = $2, reading = $3, digest = $4, size_bytes = $5, changed_at = $6"
        " WHERE import_id = $1",
        import_id,
        state,
        reading,
        digest,
        size_bytes,
        at,
    )


async def same_file(reads: Reads, digest: bytes) -> ImportRow | None:
    """Return an import of the same file, read in the same way, that stands or is under way."""
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM imports WHERE digest = $1 AND state IN ('queued', 'running', 'done')"
        " ORDER BY created_at LIMIT 1",
        digest,
    )
    return _import(rows[0]) if rows else None


async def import_of(reads: Reads, import_id: UUID) -> ImportRow | None:
    rows = await reads.fetch(f"SELECT {_COLUMNS} FROM imports WHERE import_id = $1", import_id)
    return _import(rows[0]) if rows else None


async def imports_page(
    reads: Reads,
    state: str | None,
    store_ids: Collection[str] | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[ImportRow]:
    """Return imports, newest first, after a place. `store_ids`: only those of these stores; None: all."""
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM imports WHERE ($1::text IS NULL OR state = $1)"
        " AND ($5::text[] IS NULL OR store_ids <@ $5)"
        " AND ($2::timestamptz IS NULL OR (created_at, import_id) < ($2, $3::uuid))"
        " ORDER BY created_at DESC, import_id DESC LIMIT $4",
        state,
        None if after is None else after[0],
        None if after is None else after[1],
        limit,
        None if store_ids is None else sorted(store_ids),
    )
    return [_import(row) for row in rows]


async def move(  # noqa: PLR0913 (a change of state has these parts)
    tx: Transaction,
    import_id: UUID,
    states: Sequence[str],
    state: str,
    at: datetime,
    *,
    reading: dict[str, Any] | None = None,
    failure: tuple[str, str] | None = None,
) -> bool:
    """Change an import's state if it is in one of `states`; an ended one's file is deleted. False: it is not."""
    changed = await tx.execute(
        "UPDATE imports SET state = $3, changed_at = $4::timestamptz, reading = coalesce($5, reading),"
        " failure_code = $6, failure = $7, ended_at = CASE WHEN $8 THEN $4::timestamptz ELSE NULL END"
        " WHERE import_id = $1 AND state = ANY($2::text[])",
        import_id,
        list(states),
        state,
        at,
        reading,
        None if failure is None else failure[0],
        None if failure is None else failure[1],
        state not in OPEN_STATES,
    )
    if changed and state not in OPEN_STATES:
        await tx.execute("DELETE FROM import_chunks WHERE import_id = $1", import_id)
    return changed == 1


async def next_import(reads: Reads) -> ImportRow | None:
    """Return the import to go on with: the one under way, else the oldest that waits its turn."""
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM imports WHERE state IN ('queued', 'running')"
        " ORDER BY state = 'queued', created_at, import_id LIMIT 1"
    )
    return _import(rows[0]) if rows else None


async def begin(database: Database, one: ImportRow, rows_total: int, at: datetime) -> ImportRow | None:
    """Mark an import as under way; None when it was cancelled meanwhile."""
    rows = await database.fetch(
        "UPDATE imports SET state = 'running', rows_total = $2, started_at = coalesce(started_at, $3),"
        f" changed_at = $3 WHERE import_id = $1 AND state IN ('queued', 'running') RETURNING {_COLUMNS}",
        one.import_id,
        rows_total,
        at,
    )
    return _import(rows[0]) if rows else None


async def advance(tx: Transaction, one: ImportRow, more: Counts, at: datetime) -> bool:
    """Move an import on from where this worker knows it to be; False when it was moved or stopped by another."""
    changed = await tx.execute(
        "UPDATE imports SET records_done = records_done + $3, rows_read = rows_read + $4, accepted = accepted + $5,"
        " repeated = repeated + $6, conflicts = conflicts + $7, refused = refused + $8, changed_at = $9"
        " WHERE import_id = $1 AND records_done = $2 AND state = 'running'",
        one.import_id,
        one.counts.records,
        more.records,
        more.rows,
        more.accepted,
        more.repeated,
        more.conflicts,
        more.refused,
        at,
    )
    return changed == 1


def advanced(one: ImportRow, more: Counts) -> ImportRow:
    """Return an import as `advance` left it."""
    before = one.counts
    counts = Counts(
        before.records + more.records,
        before.rows + more.rows,
        before.accepted + more.accepted,
        before.repeated + more.repeated,
        before.conflicts + more.conflicts,
        before.refused + more.refused,
    )
    return replace(one, counts=counts)


async def add_lines(tx: Transaction, import_id: UUID, lines: Sequence[RefusedLine]) -> None:
    await tx.copy(
        "import_lines",
        ("import_id", "line", "status", "code", "message", "field", "column_name", "message_id"),
        [
            (import_id, one.line, one.status, one.code, one.message, one.field, one.column, one.message_id)
            for one in lines
        ],
    )


async def lines_of(reads: Reads, import_id: UUID) -> AsyncIterator[list[RefusedLine]]:
    """Yield the lines of an import's report in pages, in the file's order."""
    after = -1
    while True:
        rows = await reads.fetch(
            "SELECT line, status, code, message, field, column_name, message_id FROM import_lines"
            " WHERE import_id = $1 AND line > $2 ORDER BY line LIMIT $3",
            import_id,
            after,
            REPORT_PAGE,
        )
        if not rows:
            return
        yield [RefusedLine(*row.values()) for row in rows]
        after = rows[-1]["line"]


async def abandoned(reads: Reads, uploading_before: datetime, waiting_before: datetime) -> list[UUID]:
    """Return imports whose upload broke off, or that nobody started."""
    rows = await reads.fetch(
        "SELECT import_id FROM imports WHERE (state = 'uploading' AND changed_at < $1)"
        " OR (state = 'waiting' AND changed_at < $2) ORDER BY import_id LIMIT 100",
        uploading_before,
        waiting_before,
    )
    return [row["import_id"] for row in rows]


async def forget_ended(tx: Transaction, ended_before: datetime) -> int:
    """Remove imports, and their reports, that ended long ago; return how many. A few at a time."""
    rows = await tx.fetch(
        "SELECT import_id FROM imports WHERE ended_at < $1 ORDER BY ended_at LIMIT 10 FOR UPDATE SKIP LOCKED",
        ended_before,
    )
    old = [row["import_id"] for row in rows]
    await tx.execute("DELETE FROM import_lines WHERE import_id = ANY($1::uuid[])", old)
    return await tx.execute("DELETE FROM imports WHERE import_id = ANY($1::uuid[])", old)


async def forget(tx: Transaction, import_id: UUID) -> None:
    """Remove an import that never came to be."""
    await tx.execute("DELETE FROM import_chunks WHERE import_id = $1", import_id)
    await tx.execute("DELETE FROM imports WHERE import_id = $1 AND state = 'uploading'", import_id)
