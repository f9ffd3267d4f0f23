"""Claims of guests' receipts, and relations between customers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.ingest.domain.policy import GUEST
from shared.customers.assignments import Reads
from shared.db import Row, Transaction


async def failed_tries(tx: Transaction, receipt_id: UUID) -> int:
    """Return how often a receipt was claimed with a wrong proof; nobody else tries until the transaction ends."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('claim/' || $1::text, 0))", str(receipt_id))
    failed: int | None = await tx.fetchval("SELECT failed FROM claim_tries WHERE receipt_id = $1", receipt_id)
    return failed or 0


async def count_failure(tx: Transaction, receipt_id: UUID, at: datetime) -> None:
    await tx.execute(
        "INSERT INTO claim_tries (receipt_id, failed, last_at) VALUES ($1, 1, $2)"
        " ON CONFLICT (receipt_id) DO UPDATE SET failed = claim_tries.failed + 1, last_at = excluded.last_at",
        receipt_id,
        at,
    )


async def claimed_subject(reads: Reads, receipt_id: UUID) -> UUID | None:
    """Return the subject of a receipt that belongs to a customer by claim; None where it does not."""
    rows = await reads.fetch(
        "SELECT s.subject_id FROM subjects s JOIN assignments a USING (subject_id)"
        " WHERE s.namespace = $1 AND s.blind_index = $2 AND a.customer_id <> s.subject_id AND EXISTS (SELECT FROM"
        " links WHERE s.subject_id IN (left_id, right_id) AND cause = 'claimed' AND state = 'made')",
        GUEST,
        receipt_id.bytes,
    )
    return rows[0]["subject_id"] if rows else None


@dataclass(frozen=True, slots=True)
class Relation:
    """What the right customer is to the left one."""

    left_id: UUID
    right_id: UUID
    kind: str
    actor: str
    reason: str | None
    since: datetime


async def put_relation(tx: Transaction, one: Relation) -> None:
    await tx.execute(
        "INSERT INTO relations (left_id, right_id, kind, actor, reason, since) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (left_id, right_id, kind) DO UPDATE SET actor = excluded.actor, reason = excluded.reason",
        one.left_id,
        one.right_id,
        one.kind,
        one.actor,
        one.reason,
        one.since,
    )


async def delete_relation(tx: Transaction, ones: list[UUID], others: list[UUID], kind: str) -> int:
    return await tx.execute(
        "DELETE FROM relations WHERE kind = $3 AND left_id = ANY($1::uuid[]) AND right_id = ANY($2::uuid[])",
        ones,
        others,
        kind,
    )


async def relations_of(reads: Reads, subject_ids: list[UUID], limit: int) -> list[Row]:
    """Return the relations of a customer, given as subjects, with the other customer as of now."""
    return await reads.fetch(
        "SELECT coalesce(a.customer_id, r.right_id) AS customer_id, r.kind, r.actor, r.reason, r.since"
        " FROM relations r LEFT JOIN assignments a ON a.subject_id = r.right_id"
        " WHERE r.left_id = ANY($1::uuid[]) ORDER BY r.since, r.right_id LIMIT $2",
        subject_ids,
        limit,
    )
