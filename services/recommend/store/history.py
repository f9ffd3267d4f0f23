"""Reading everybody's receipts for training, page by page."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from services.recommend.domain.facts import Fact
from services.recommend.store.customers import COUNTS, KEPT, fact_of
from shared.db import Database

PAGE_RECEIPTS = 5000
_FIRST = UUID(int=0)


async def receipts_before(database: Database, before: datetime) -> AsyncIterator[list[tuple[UUID, Fact]]]:
    """Yield pages of (subject, receipt) in order of the receipts' ids; guests whom nobody claimed are left out."""
    last = _FIRST
    while True:
        rows = await database.fetch(
            f"SELECT r.subject_id, {KEPT} FROM receipts r WHERE r.receipt_id > $1 AND r.occurred_at < $2"
            f" AND {COUNTS} AND (NOT r.is_guest OR EXISTS (SELECT 1 FROM assignments a"
            " WHERE a.subject_id = r.subject_id)) ORDER BY r.receipt_id LIMIT $3",
            last,
            before,
            PAGE_RECEIPTS,
        )
        if rows:
            yield [(row["subject_id"], fact_of(row)) for row in rows]
        if len(rows) < PAGE_RECEIPTS:
            return
        last = rows[-1]["receipt_id"]


async def who_returned(database: Database, before: datetime) -> set[UUID]:
    """Return the subjects that gave anything back, with or without naming a receipt."""
    rows = await database.fetch(
        f"SELECT DISTINCT r.subject_id FROM receipts r WHERE r.kind <> 'sale' AND r.occurred_at < $1 AND {COUNTS}",
        before,
    )
    return {row["subject_id"] for row in rows}


async def returns_of_others(database: Database, before: datetime) -> list[tuple[UUID, Fact]]:
    """Return (subject of the original, what was given back) of every return that names another's receipt."""
    rows = await database.fetch(
        f"SELECT o.subject_id AS owner_id, {KEPT} FROM receipts r JOIN receipts o"
        " ON o.receipt_id = r.returns_receipt_id WHERE o.subject_id <> r.subject_id AND r.occurred_at < $1"
        f" AND {COUNTS}",
        before,
    )
    return [(row["owner_id"], fact_of(row, is_own=False)) for row in rows]


async def assignments(database: Database) -> dict[UUID, UUID]:
    """Return the customer of every subject that was assigned to one."""
    rows = await database.fetch("SELECT subject_id, customer_id FROM assignments")
    return {row["subject_id"]: row["customer_id"] for row in rows}
