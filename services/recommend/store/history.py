"""Reading everybody's receipts for training, page by page."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from services.recommend.domain.facts import Fact
from services.recommend.store.customers import fact_of
from shared.db import Database

PAGE_RECEIPTS = 5000
_FIRST = UUID(int=0)


async def receipts_before(database: Database, before: datetime) -> AsyncIterator[list[tuple[UUID, Fact]]]:
    """Yield pages of (subject, receipt) in order of the receipts' ids; guests whom nobody claimed are left out."""
    last = _FIRST
    while True:
        rows = await database.fetch(
            "SELECT r.receipt_id, r.subject_id, r.occurred_at, r.store_id, r.moved, r.returns_receipt_id"
            " FROM receipts r WHERE r.receipt_id > $1 AND r.occurred_at < $2 AND r.kind <> 'unknown'"
            " AND NOT r.voided AND NOT r.training AND (NOT r.is_guest OR EXISTS (SELECT 1 FROM assignments a"
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


async def assignments(database: Database) -> dict[UUID, UUID]:
    """Return the customer of every subject that was assigned to one."""
    rows = await database.fetch("SELECT subject_id, customer_id FROM assignments")
    return {row["subject_id"]: row["customer_id"] for row in rows}
