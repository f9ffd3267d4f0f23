"""Whose lists may have changed: noted where it is applied, read by every process that keeps customers in memory.

A row holds the last transaction that changed something of a subject. Transactions commit in another order than they
begin, so a reader asks for everything from the oldest transaction on that was still open when it last read: what a
late one commits is found by the next reading, and what is found twice is known by its transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Transaction

CHANNEL = "recommend_changed"
KEPT_SECONDS = 3600
"""For how long a change can be read; who looked longer ago starts anew."""
CHANGES_MAX = 20_000
"""More at once are not read one by one: starting anew is quicker."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far was read: from `upto` on, transactions may have been open. Another `epoch` has other tables."""

    epoch: str
    upto: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """The last change (its transaction) of every subject that may not have been read, and how far that is."""

    mark: Mark
    changed_in: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class Touched:
    """A subject whose change may have changed the lists of `customer_id`."""

    subject_id: UUID
    customer_id: UUID


async def note(tx: Transaction, subject_ids: Collection[UUID]) -> None:
    """Note that something of these subjects changes with this transaction, and wake whoever listens."""
    ordered = sorted(set(subject_ids), key=lambda subject_id: subject_id.int)
    if ordered:
        await tx.execute(
            "WITH noted AS (INSERT INTO changed_subjects (subject_id, changed_in, changed_at)"
            " SELECT unnest($1::uuid[]), pg_current_xact_id()::text::bigint, now()"
            " ON CONFLICT (subject_id) DO UPDATE SET changed_in = excluded.changed_in,"
            " changed_at = excluded.changed_at RETURNING subject_id)"
            " SELECT pg_notify($2, '') WHERE EXISTS (SELECT FROM noted)",
            ordered,
            CHANNEL,
        )


async def since(session: Transaction, upto: int) -> Changes:
    """Return what changed from a transaction on, at most CHANGES_MAX + 1; 0 asks for the mark alone.

    The epoch is another one after a rebuild put new tables in the place of these, and after a standby or a back-up
    took over, which may not know what the last one did.
    """
    rows = await session.fetch(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS upto, now() AS at,"
        " left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' || to_regclass($3)::oid AS epoch,"
        " c.subject_id, c.changed_in FROM (SELECT) once LEFT JOIN LATERAL (SELECT subject_id, changed_in"
        " FROM changed_subjects WHERE $1::bigint > 0 AND changed_in >= $1::bigint LIMIT $2) c ON true",
        upto,
        CHANGES_MAX + 1,
        "receipts",
    )
    mark = Mark(rows[0]["epoch"], rows[0]["upto"], rows[0]["at"])
    return Changes(mark, {row["subject_id"]: row["changed_in"] for row in rows if row["subject_id"] is not None})


async def touched(session: Transaction, subject_ids: Sequence[UUID]) -> list[Touched]:
    """Return whose lists these subjects' changes may have changed, as everything is now.

    Besides a subject's own customer these are the customers from whose receipts it gave something back. Guests whom
    nobody claimed are left out: no request can name them.
    """
    rows = await session.fetch(
        "WITH said AS (SELECT unnest($1::uuid[]) AS subject_id), near AS (SELECT subject_id FROM said"
        " UNION SELECT o.subject_id FROM said JOIN receipts r USING (subject_id)"
        " JOIN receipts o ON o.receipt_id = r.returns_receipt_id WHERE o.subject_id IS NOT NULL)"
        " SELECT n.subject_id, coalesce(a.customer_id, n.subject_id) AS customer_id FROM near n"
        " LEFT JOIN assignments a USING (subject_id) WHERE a.subject_id IS NOT NULL"
        " OR NOT EXISTS (SELECT FROM receipts g WHERE g.subject_id = n.subject_id AND g.is_guest)",
        list(subject_ids),
    )
    return [Touched(row["subject_id"], row["customer_id"]) for row in rows]


async def forget(session: Transaction, at_once: int) -> int:
    """Delete what was noted KEPT_SECONDS ago or earlier, of the oldest so many; return how many went."""
    return await session.execute(
        "DELETE FROM changed_subjects WHERE subject_id IN (SELECT subject_id FROM (SELECT subject_id, changed_at"
        " FROM changed_subjects ORDER BY changed_in LIMIT $1 FOR UPDATE SKIP LOCKED) oldest"
        f" WHERE changed_at < now() - interval '{KEPT_SECONDS} seconds')",
        at_once,
    )
