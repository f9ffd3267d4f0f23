"""Reading customers: their subjects' facts, folded by the caller, as of one snapshot."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.profile.domain.profile import AsOf, Consent, Surroundings
from services.profile.domain.purchases import Figures, Totals, Visit
from services.profile.domain.rfm import Bounds
from shared.db import Row, Transaction

VISITS_LOOKED_AT = 100
"""Habits and stages of life look at this many latest visits of each subject, however many there are."""


@dataclass(slots=True)
class Facts:
    """What the subjects of one customer have, side by side."""

    totals: list[Totals] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)


async def customer_ids_of(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the customer behind each id (of a customer, a subject, or an absorbed customer).

    An id is left out unless some subject of the customer is known as a person's: a guest or a device that nobody
    was found for is no customer.
    """
    rows = await tx.fetch(
        "SELECT asked.id, coalesce(a.customer_id, asked.id) AS customer_id"
        " FROM unnest($1::uuid[]) AS asked (id) LEFT JOIN assignments a ON a.subject_id = asked.id",
        list(ids),
    )
    customers = {row["id"]: row["customer_id"] for row in rows}
    known = set((await subjects_by_customer(tx, set(customers.values()))).values())
    return {asked: customer_id for asked, customer_id in customers.items() if customer_id in known}


async def subjects_by_customer(tx: Transaction, customer_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return each subject of the customers with its customer; customers of whom nothing is known have none."""
    rows = await tx.fetch(
        "SELECT a.subject_id, a.customer_id FROM assignments a JOIN subjects s USING (subject_id)"
        " WHERE a.customer_id = ANY($1)"
        " UNION ALL SELECT s.subject_id, s.subject_id FROM subjects s WHERE s.subject_id = ANY($1)"
        " AND s.kind = 'identified' AND NOT EXISTS (SELECT 1 FROM assignments a WHERE a.subject_id = s.subject_id)",
        list(customer_ids),
    )
    return {row["subject_id"]: row["customer_id"] for row in rows}


async def facts_of(tx: Transaction, customer_of: Mapping[UUID, UUID]) -> dict[UUID, Facts]:
    """Return the totals and latest visits of each customer, given the customer of every subject."""
    facts: dict[UUID, Facts] = defaultdict(Facts)
    for row in await _totals(tx, list(customer_of)):
        facts[customer_of[row["subject_id"]]].totals.append(_totals_of(row))
    for row in await _visits(tx, list(customer_of)):
        subject_id, *visit = row
        facts[customer_of[subject_id]].visits.append(Visit(*visit))
    return facts


async def _totals(tx: Transaction, subject_ids: Sequence[UUID]) -> list[Row]:
    return await tx.fetch(
        "SELECT subject_id, currency, receipts, returns, items, gross_minor, returned_minor, unknown_void_minor,"
        " first_at, last_at FROM subject_totals WHERE subject_id = ANY($1)",
        subject_ids,
    )


async def _visits(tx: Transaction, subject_ids: Sequence[UUID]) -> list[Row]:
    return await tx.fetch(
        "SELECT v.* FROM unnest($1::uuid[]) AS asked (subject_id) CROSS JOIN LATERAL"
        " (SELECT r.subject_id, r.occurred_at, r.business_date, r.store_id, r.utc_offset_minutes, r.used_coupon"
        " FROM receipts r WHERE r.subject_id = asked.subject_id AND r.kind <> 'return' AND NOT r.voided"
        " AND NOT r.training ORDER BY r.occurred_at DESC, r.receipt_id DESC LIMIT $2) v"
        " ORDER BY v.occurred_at, v.store_id",
        subject_ids,
        VISITS_LOOKED_AT,
    )


def _totals_of(row: Row) -> Totals:
    figures = Figures(
        row["receipts"],
        row["returns"],
        row["items"],
        row["gross_minor"],
        row["returned_minor"],
        row["unknown_void_minor"],
    )
    return Totals(row["currency"], figures, row["first_at"], row["last_at"])


async def surroundings(tx: Transaction, as_of: AsOf) -> Surroundings:
    return Surroundings(await bounds_by_currency(tx), await store_zones(tx), as_of)


async def bounds_by_currency(tx: Transaction) -> dict[str, Bounds]:
    rows = await tx.fetch("SELECT currency, as_of, recency_days, frequency, monetary_minor FROM rfm_bounds")
    return {row["currency"]: Bounds(**dict(row)) for row in rows}


async def store_zones(tx: Transaction) -> dict[str, str]:
    """Return the IANA zone of every store that the catalogue described."""
    rows = await tx.fetch("SELECT store_id, time_zone FROM stores")
    return {row["store_id"]: row["time_zone"] for row in rows}


async def consents_of(tx: Transaction, subject_ids: Collection[UUID]) -> list[Consent]:
    rows = await tx.fetch(
        "SELECT channel, purpose, state, policy_version, occurred_at FROM consents WHERE subject_id = ANY($1)",
        list(subject_ids),
    )
    return [Consent(*row) for row in rows]


async def forget_tags(tx: Transaction, customer_ids: Collection[UUID]) -> None:
    await tx.execute("DELETE FROM tags WHERE customer_id = ANY($1)", list(customer_ids))


async def add_tags(tx: Transaction, customer_id: UUID, tags: Sequence[str], actor: str, at: datetime) -> None:
    await tx.execute(
        "INSERT INTO tags (customer_id, tag, set_by, set_at)"
        " SELECT $1, tag, $3, $4 FROM unnest($2::text[]) AS t (tag) ON CONFLICT DO NOTHING",
        customer_id,
        list(tags),
        actor,
        at,
    )


async def timeline(
    tx: Transaction, subject_ids: Collection[UUID], before: tuple[datetime, UUID] | None, limit: int
) -> list[dict[str, Any]]:
    """Return the latest things that happened to the subjects, before a place in the list: (time, id)."""
    at, place = before or (None, None)
    rows = await tx.fetch(
        "SELECT * FROM ("
        " (SELECT occurred_at, event_id AS id, 'receipt' AS type, kind, store_id, jsonb_build_object('receipt_id',"
        " receipt_id, 'currency', currency, 'sold_minor', sold_minor, 'returned_minor', returned_minor, 'items',"
        " items, 'voided', voided, 'training', training, 'channel', channel, 'lines', lines) AS detail"
        " FROM receipts WHERE subject_id = ANY($1)"
        " AND ($2::timestamptz IS NULL OR (occurred_at, event_id) < ($2, $3::uuid))"
        " ORDER BY occurred_at DESC, event_id DESC LIMIT $4)"
        " UNION ALL"
        " (SELECT occurred_at, event_id, 'receipt_voided', NULL, store_id, jsonb_build_object('receipt_id',"
        " receipt_id, 'voids_receipt_id', voids_receipt_id, 'currency', currency, 'amount_minor', amount_minor)"
        " FROM voids WHERE subject_id = ANY($1)"
        " AND ($2::timestamptz IS NULL OR (occurred_at, event_id) < ($2, $3::uuid))"
        " ORDER BY occurred_at DESC, event_id DESC LIMIT $4)"
        " UNION ALL"
        " (SELECT occurred_at, event_id, type, NULL, store_id, detail FROM moments WHERE subject_id = ANY($1)"
        " AND ($2::timestamptz IS NULL OR (occurred_at, event_id) < ($2, $3::uuid))"
        " ORDER BY occurred_at DESC, event_id DESC LIMIT $4)"
        ") happened ORDER BY occurred_at DESC, id DESC LIMIT $4",
        list(subject_ids),
        at,
        place,
        limit,
    )
    return [dict(row) for row in rows]
