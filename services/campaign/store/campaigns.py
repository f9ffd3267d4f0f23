"""Campaigns, their audiences and who takes part."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from services.campaign.domain.audience import Arm, Consent
from services.campaign.domain.campaigns import Audience, Campaign, Plan, State
from shared.db import Database, Row, Transaction

_PLAN = TypeAdapter(Plan)
STORE_VISIT_DAYS = 365


async def add_campaign(tx: Transaction, campaign: Campaign, seed: bytes) -> None:
    await tx.execute(
        "INSERT INTO campaigns (campaign_id, plan, state, seed, created_at, created_by)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        campaign.campaign_id,
        plan_document(campaign.plan),
        campaign.state.value,
        seed,
        campaign.created_at,
        campaign.created_by,
    )


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return a plan as it is stored and shown."""
    document: dict[str, Any] = _PLAN.dump_python(plan, mode="json")
    return document


async def find_campaign(
    tx: Transaction | Database, campaign_id: UUID, *, for_update: bool = False
) -> Campaign | None:
    lock = "FOR UPDATE" if for_update else ""
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM campaigns WHERE campaign_id = $1 " + lock, campaign_id)
    return None if row is None else _campaign(row)


async def list_campaigns(database: Database, before: tuple[datetime, UUID] | None, limit: int) -> list[Campaign]:
    """Return campaigns, the newest first."""
    at, campaign_id = before or (None, None)
    rows = await database.fetch(
        f"SELECT {_COLUMNS} FROM campaigns WHERE $1::timestamptz IS NULL OR (created_at, campaign_id) < ($1, $2)"
        " ORDER BY created_at DESC, campaign_id DESC LIMIT $3",
        at,
        campaign_id,
        limit,
    )
    return [_campaign(row) for row in rows]


async def seed_of(tx: Transaction, campaign_id: UUID) -> bytes:
    seed: bytes = await tx.fetchval("SELECT seed FROM campaigns WHERE campaign_id = $1", campaign_id)
    return seed


async def move_campaign(tx: Transaction, campaign: Campaign, state: State, *, actor: str, now: datetime) -> None:
    """Set the state, and keep who approved and when it started and stopped."""
    await tx.execute(
        "UPDATE campaigns SET state = $2,"
        " approved_at = CASE WHEN $2 = 'approved' THEN $3 ELSE approved_at END,"
        " approved_by = CASE WHEN $2 = 'approved' THEN $4 ELSE approved_by END,"
        " started_at = CASE WHEN $2 = 'running' THEN coalesce(started_at, $3) ELSE started_at END,"
        " stopped_at = CASE WHEN $2 = 'stopped' THEN $3 ELSE stopped_at END WHERE campaign_id = $1",
        campaign.campaign_id,
        state.value,
        now,
        actor,
    )


_COLUMNS = "campaign_id, plan, state, created_at, created_by, approved_at, approved_by, started_at, stopped_at"


def _campaign(row: Row) -> Campaign:
    return Campaign(
        campaign_id=row["campaign_id"],
        plan=_PLAN.validate_python(row["plan"]),
        state=State(row["state"]),
        created_at=row["created_at"],
        created_by=row["created_by"],
        approved_at=row["approved_at"],
        approved_by=row["approved_by"],
        started_at=row["started_at"],
        stopped_at=row["stopped_at"],
    )


async def audience_of(reads: Transaction | Database, audience: Audience, now: datetime) -> list[UUID]:
    """Return the customers who meet the conditions now, subjects folded into customers, in a fixed order.

    A store's customers are those who bought there in the last year. Guests and devices are nobody to write to.
    Whoever withdrew personalisation, under any of their subjects, is chosen by nothing that was concluded of them.
    """
    rows = await reads.fetch(
        _AUDIENCE,
        list(audience.segments_any),
        list(audience.segments_all),
        list(audience.churn_levels),
        list(audience.store_ids),
        list(audience.exclude_segments),
        list(audience.exclude_campaigns),
        now,
        STORE_VISIT_DAYS,
        audience.is_by_profile,
    )
    return [row["customer_id"] for row in rows]


_AUDIENCE = """
WITH inside AS (
    SELECT coalesce(owner.customer_id, memberships.customer_id) AS customer_id, segment_id
    FROM segment_memberships AS memberships
    LEFT JOIN assignments AS owner ON owner.subject_id = memberships.customer_id
    WHERE is_member
), warned AS (
    SELECT coalesce(owner.customer_id, warnings.customer_id) AS customer_id, level
    FROM warnings LEFT JOIN assignments AS owner ON owner.subject_id = warnings.customer_id
    WHERE level IS NOT NULL
), shoppers AS (
    SELECT DISTINCT coalesce(owner.customer_id, receipts.subject_id) AS customer_id, store_id
    FROM receipts LEFT JOIN assignments AS owner USING (subject_id)
    WHERE subject_kind = 'identified' AND occurred_at <= $7
    AND (cardinality($4::text[]) = 0
         OR (store_id = ANY($4) AND occurred_at > $7 - make_interval(days => $8)))
), everyone AS (
    SELECT customer_id FROM inside UNION SELECT customer_id FROM warned UNION SELECT customer_id FROM shoppers
)
SELECT customer_id FROM everyone
WHERE (cardinality($1::text[]) = 0
       OR customer_id IN (SELECT customer_id FROM inside WHERE segment_id = ANY($1)))
AND (cardinality($2::text[]) = 0
     OR customer_id IN (SELECT customer_id FROM inside WHERE segment_id = ANY($2)
                        GROUP BY customer_id HAVING count(DISTINCT segment_id) = cardinality($2)))
AND (cardinality($3::text[]) = 0 OR customer_id IN (SELECT customer_id FROM warned WHERE level = ANY($3)))
AND (cardinality($4) = 0 OR customer_id IN (SELECT customer_id FROM shoppers))
AND customer_id NOT IN (SELECT customer_id FROM inside WHERE segment_id = ANY($5::text[]))
AND customer_id NOT IN (
    SELECT coalesce(owner.customer_id, participants.customer_id)
    FROM participants LEFT JOIN assignments AS owner ON owner.subject_id = participants.customer_id
    WHERE campaign_id = ANY($6::uuid[]))
AND NOT ($9 AND customer_id IN (
    SELECT coalesce(owner.customer_id, consents.subject_id)
    FROM consents LEFT JOIN assignments AS owner USING (subject_id)
    WHERE purpose = 'personalisation' AND state = 'withdrawn'))
ORDER BY customer_id
"""


async def marketing_consents(
    reads: Transaction | Database, customer_ids: Collection[UUID]
) -> dict[UUID, list[Consent]]:
    """Return what each customer's subjects said about marketing; silent customers have no entry."""
    rows = await reads.fetch(
        "SELECT coalesce(owner.customer_id, consents.subject_id) AS customer_id, channel, state, occurred_at,"
        " event_id, subject_id FROM consents LEFT JOIN assignments AS owner USING (subject_id)"
        " WHERE purpose = 'marketing' AND coalesce(owner.customer_id, consents.subject_id) = ANY($1::uuid[])",
        list(customer_ids),
    )
    said: dict[UUID, list[Consent]] = {}
    for row in rows:
        consent = Consent(row["channel"], row["state"], row["occurred_at"], row["event_id"], row["subject_id"])
        said.setdefault(row["customer_id"], []).append(consent)
    return said


async def refusing_profiling(reads: Transaction | Database, customer_ids: Collection[UUID]) -> set[UUID]:
    """Return which customers withdrew personalisation, under any of their subjects and on any channel."""
    rows = await reads.fetch(
        "SELECT DISTINCT coalesce(owner.customer_id, consents.subject_id) AS customer_id"
        " FROM consents LEFT JOIN assignments AS owner USING (subject_id)"
        " WHERE purpose = 'personalisation' AND state = 'withdrawn'"
        " AND coalesce(owner.customer_id, consents.subject_id) = ANY($1::uuid[])",
        list(customer_ids),
    )
    return {row["customer_id"] for row in rows}


@dataclass(frozen=True, slots=True)
class Participant:
    """A customer's place in a campaign."""

    customer_id: UUID
    arm: Arm
    reason: str | None
    drawn_at: datetime


async def add_participants(tx: Transaction, campaign_id: UUID, participants: Sequence[Participant]) -> None:
    await tx.copy(
        "participants",
        ["campaign_id", "customer_id", "arm", "reason", "drawn_at"],
        [
            (campaign_id, person.customer_id, person.arm.value, person.reason, person.drawn_at)
            for person in participants
        ],
    )


async def take_unprepared(tx: Transaction, campaign_id: UUID, now: datetime, limit: int) -> list[Participant]:
    """Mark the next participants as prepared, in this transaction, and return them."""
    rows = await tx.fetch(
        "UPDATE participants SET prepared_at = $2 WHERE campaign_id = $1 AND customer_id IN"
        " (SELECT customer_id FROM participants WHERE campaign_id = $1 AND prepared_at IS NULL"
        "  ORDER BY customer_id LIMIT $3 FOR UPDATE SKIP LOCKED)"
        " RETURNING customer_id, arm, reason, drawn_at",
        campaign_id,
        now,
        limit,
    )
    people = [Participant(row["customer_id"], Arm(row["arm"]), row["reason"], row["drawn_at"]) for row in rows]
    return sorted(people, key=lambda person: person.customer_id)


async def running_campaigns(database: Database) -> list[Campaign]:
    rows = await database.fetch(
        f"SELECT {_COLUMNS} FROM campaigns WHERE state = 'running' ORDER BY started_at, campaign_id"
    )
    return [_campaign(row) for row in rows]


async def arm_counts(reads: Transaction | Database, campaign_id: UUID) -> Mapping[str, int]:
    rows = await reads.fetch(
        "SELECT arm, count(*) AS customers FROM participants WHERE campaign_id = $1 GROUP BY arm", campaign_id
    )
    return {row["arm"]: row["customers"] for row in rows}
