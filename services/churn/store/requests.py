"""Scorings that were asked for, and what came of them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.db import Database, Row, Transaction

_COLUMNS = "request_id, as_of, state, asked_by, asked_at, finished_at, result, failure"


async def ask(writes: Database | Transaction, request_id: UUID, as_of: date, asked_by: str, at: datetime) -> None:
    await writes.execute(
        "INSERT INTO score_requests (request_id, as_of, state, asked_by, asked_at)"
        " VALUES ($1, $2, 'pending', $3, $4)",
        request_id,
        as_of,
        asked_by,
        at,
    )


async def find(database: Database, request_id: UUID) -> Row | None:
    return await database.fetchrow(f"SELECT {_COLUMNS} FROM score_requests WHERE request_id = $1", request_id)


async def next_pending(database: Database) -> Row | None:
    """Return the request that has waited longest."""
    return await database.fetchrow(
        f"SELECT {_COLUMNS} FROM score_requests WHERE state = 'pending' ORDER BY asked_at, request_id LIMIT 1"
    )


async def finish(tx: Transaction, request_id: UUID, result: dict[str, Any], at: datetime) -> None:
    await tx.execute(
        "UPDATE score_requests SET state = 'done', result = $2, finished_at = $3 WHERE request_id = $1",
        request_id,
        result,
        at,
    )


async def fail(database: Database, request_id: UUID, failure: str, at: datetime) -> None:
    """Say that a request came to nothing; one that was done stays done."""
    await database.execute(
        "UPDATE score_requests SET state = 'failed', failure = $2, finished_at = $3"
        " WHERE request_id = $1 AND state = 'pending'",
        request_id,
        failure,
        at,
    )


async def failed_since(database: Database, as_of: date, since: datetime) -> bool:
    """Say whether a scoring of that day came to nothing lately."""
    failed: bool = await database.fetchval(
        "SELECT EXISTS (SELECT 1 FROM score_requests WHERE as_of = $1 AND state = 'failed' AND finished_at > $2)",
        as_of,
        since,
    )
    return failed
