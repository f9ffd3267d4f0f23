"""Scores and scorings as rows, and the lock that keeps scoring and erasing apart."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from shared.db import Database, PoolLimits, Row, Transaction

ROWS_AT_ONCE = 5000
OFFLINE = PoolLimits(size_max=2, command_seconds=60, idle_in_transaction_seconds=60)
"""For processes that read a year of receipts from one snapshot and fold them as they come."""

_LOCK = 0x63687572
_COLUMNS = (
    "customer_id, as_of, state, level, lost_by_week, lapse28, partial56, expected_low, expected_high,"
    " silence_days, usual_gap_days, limit_days, value_at_risk_minor, urgency, store_id, reasons, model_version"
)


@dataclass(frozen=True, slots=True)
class Score:
    """One customer's score of one scoring; `lost_by_week` has twelve entries."""

    customer_id: UUID
    state: str
    level: int
    lost_by_week: list[float]
    lapse28: float
    partial56: float | None
    expected_low: int | None
    expected_high: int | None
    silence_days: int
    usual_gap_days: float | None
    limit_days: float
    value_at_risk_minor: int
    urgency: float
    store_id: str | None
    reasons: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Scoring:
    """One scoring as a whole."""

    as_of: date
    model_version: str
    customers: int
    levels: Mapping[str, int]
    moved_warnings: bool
    scored_at: datetime


async def lock_scoring(tx: Transaction) -> None:
    """Wait for a scoring or erasure that is being written, and keep others out until the transaction ends."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


async def replace_scores(tx: Transaction, scoring: Scoring, scores: Sequence[Score]) -> None:
    """Make these the only scores of the day."""
    await tx.execute("DELETE FROM scores WHERE as_of = $1", scoring.as_of)
    for start in range(0, len(scores), ROWS_AT_ONCE):
        await _insert(tx, scoring, scores[start : start + ROWS_AT_ONCE])
    await tx.execute(
        "INSERT INTO scorings (as_of, model_version, customers, levels, moved_warnings, scored_at)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (as_of) DO UPDATE SET model_version = excluded.model_version,"
        " customers = excluded.customers, levels = excluded.levels, moved_warnings = excluded.moved_warnings,"
        " scored_at = excluded.scored_at",
        scoring.as_of,
        scoring.model_version,
        scoring.customers,
        dict(scoring.levels),
        scoring.moved_warnings,
        scoring.scored_at,
    )


async def _insert(tx: Transaction, scoring: Scoring, scores: Sequence[Score]) -> None:
    # Lists in an array would be taken for another dimension of it: they go as text.
    await tx.execute(
        f"INSERT INTO scores ({_COLUMNS})"
        " SELECT customer_id, $15::date, state, level,"
        " curve::float8[], lapse28, partial56, low, high, silence_days, gap, limit_days, value,"
        " urgency, store_id, reasons::jsonb, $16::text"
        " FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[], $5::float8[], $6::float8[],"
        " $7::smallint[], $8::smallint[], $9::int[], $10::float8[], $11::float8[], $12::bigint[], $13::float8[],"
        " $14::text[], $17::text[]) AS s (customer_id, state, level, curve, lapse28, partial56, low, high,"
        " silence_days, gap, limit_days, value, urgency, store_id, reasons)",
        [score.customer_id for score in scores],
        [score.state for score in scores],
        [score.level for score in scores],
        [f"{{{','.join(map(repr, score.lost_by_week))}}}" for score in scores],
        [score.lapse28 for score in scores],
        [score.partial56 for score in scores],
        [score.expected_low for score in scores],
        [score.expected_high for score in scores],
        [score.silence_days for score in scores],
        [score.usual_gap_days for score in scores],
        [score.limit_days for score in scores],
        [score.value_at_risk_minor for score in scores],
        [score.urgency for score in scores],
        [score.store_id for score in scores],
        scoring.as_of,
        scoring.model_version,
        [orjson.dumps(score.reasons).decode() for score in scores],
    )


async def levels_before(database: Database, as_of: date) -> dict[UUID, int]:
    """Return each customer's level at the last scoring of an earlier day; who had none is left out."""
    rows = await database.fetch(
        "SELECT customer_id, level FROM scores"
        " WHERE as_of = (SELECT max(as_of) FROM scorings WHERE as_of < $1) AND level > 0",
        as_of,
    )
    return {row["customer_id"]: row["level"] for row in rows}


async def last_scoring(tx: Transaction) -> Scoring | None:
    """Return the scoring of the latest day that moved warnings."""
    row = await tx.fetchrow(
        "SELECT as_of, model_version, customers, levels, moved_warnings, scored_at FROM scorings"
        " WHERE moved_warnings ORDER BY as_of DESC LIMIT 1"
    )
    return None if row is None else Scoring(**dict(row))


async def latest_of(tx: Transaction, customer_id: UUID) -> Row | None:
    """Return a customer's newest score."""
    return await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM scores WHERE customer_id = $1 ORDER BY as_of DESC LIMIT 1", customer_id
    )


async def visit_days(tx: Transaction, subject_ids: Collection[UUID], until: date) -> list[date]:
    """Return the days up to `until` on which the subjects bought something, rising."""
    rows = await tx.fetch(
        "SELECT DISTINCT r.day FROM receipts r WHERE r.subject_id = ANY($1) AND r.day <= $2 AND r.kind <> 'return'"
        " AND NOT EXISTS (SELECT 1 FROM voids v WHERE v.voids_receipt_id = r.receipt_id) ORDER BY r.day",
        list(subject_ids),
        until,
    )
    return [row["day"] for row in rows]


async def is_known(tx: Transaction, customer_id: UUID, subject_ids: Collection[UUID]) -> bool:
    """Say whether a customer has been heard of and not been erased."""
    known: bool = await tx.fetchval(
        "SELECT NOT EXISTS (SELECT 1 FROM erased_subjects WHERE subject_id = $1)"
        " AND (EXISTS (SELECT 1 FROM assignments WHERE customer_id = $1)"
        " OR EXISTS (SELECT 1 FROM receipts WHERE subject_id = ANY($2) AND identified)"
        " OR EXISTS (SELECT 1 FROM scores WHERE customer_id = $1))",
        customer_id,
        list(subject_ids),
    )
    return known


async def drop_before(tx: Transaction, as_of: date, weeks_kept: int) -> None:
    """Delete scores older than they are kept."""
    oldest = as_of - timedelta(weeks=weeks_kept)
    await tx.execute("DELETE FROM scores WHERE as_of < $1", oldest)
    await tx.execute("DELETE FROM scorings WHERE as_of < $1", oldest)


async def forget_customers(tx: Transaction, customer_ids: Collection[UUID]) -> None:
    await tx.execute("DELETE FROM scores WHERE customer_id = ANY($1)", list(customer_ids))
