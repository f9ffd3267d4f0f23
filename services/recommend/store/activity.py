"""What was recommended, and what shoppers did with it: known only here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A list that was answered."""

    request_id: UUID
    shown_at: datetime
    customer_id: UUID | None
    session_id: str | None
    placement: str
    model_version: str
    fallback_level: int
    product_ids: list[str]
    experiment_id: str | None = None
    variant: str | None = None
    unit: str | None = None
    teams: list[int] | None = None
    took_ms: float | None = None
    shelf_age_s: float | None = None


SHOWN_COLUMNS = tuple(each.name for each in fields(ShownRow))
_COLUMNS = ", ".join(SHOWN_COLUMNS)
_PLACES = ", ".join(f"${number}" for number in range(1, len(SHOWN_COLUMNS) + 1))


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """What was done with a recommended product."""

    event_id: UUID
    occurred_at: datetime
    request_id: UUID
    customer_id: UUID | None
    product_id: str
    action: str


async def insert_shown(tx: Transaction, rows: Sequence[ShownRow]) -> None:
    await tx.executemany(
        f"INSERT INTO shown ({_COLUMNS}) VALUES ({_PLACES}) ON CONFLICT DO NOTHING",
        [[getattr(row, name) for name in SHOWN_COLUMNS] for row in rows],
    )


async def shown_by_request(tx: Transaction, request_ids: Collection[UUID]) -> dict[UUID, ShownRow]:
    """Return what was answered to requests, those known."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM shown WHERE request_id = ANY($1)",
        list(request_ids),
    )
    return {row["request_id"]: ShownRow(**dict(row)) for row in rows}


async def insert_activity(tx: Transaction, rows: Sequence[ActivityRow]) -> None:
    ordered = sorted(rows, key=lambda row: row.event_id.int)
    await tx.execute(
        "INSERT INTO activity (event_id, occurred_at, request_id, customer_id, product_id, action)"
        " SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::text[], $6::text[])"
        " ON CONFLICT DO NOTHING",
        [row.event_id for row in ordered],
        [row.occurred_at for row in ordered],
        [row.request_id for row in ordered],
        [row.customer_id for row in ordered],
        [row.product_id for row in ordered],
        [row.action for row in ordered],
    )


async def forget_activity(tx: Transaction, before: datetime) -> int:
    """Delete what was done before a moment: its list is gone by then, or was never known. As `forget_shown` does."""
    return await tx.execute(
        "DELETE FROM activity WHERE event_id IN (SELECT event_id FROM activity WHERE occurred_at < $1 LIMIT 5000)",
        before,
    )


async def forget_shown(tx: Transaction, before: datetime) -> int:
    """Delete what was shown before a moment, in pieces that hold no lock for long; return how many."""
    return await tx.execute(
        "DELETE FROM shown WHERE request_id IN (SELECT request_id FROM shown WHERE shown_at < $1 LIMIT 5000)", before
    )
