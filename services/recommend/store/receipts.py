"""Receipts as compact facts, and popularity by store and day, which their arrival changes.

A sale and its void may be applied by two workers at once, in either order. Both write the sale's own row (the void
leaves one of kind `unknown` where the sale is not there yet), so one waits for the other and sees what it did.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import orjson

from shared.db import Row, Transaction

PlaceKey = tuple[date, str, str, int]
"""Day, store, product, partition."""


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A receipt as it is kept; `moved` pairs products with millionths, below 0 where given back."""

    receipt_id: UUID
    event_id: UUID
    subject_id: UUID
    is_guest: bool
    kind: str
    training: bool
    store_id: str
    occurred_at: datetime
    business_date: date
    returns_receipt_id: UUID | None
    moved: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class VoidRow:
    """That a receipt never was; `replaced_by` is the one recorded in its place, of an order that was edited."""

    receipt_id: UUID
    replaced_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Inserted:
    """Which receipts of a batch were new, and which of these had been voided before they came."""

    fresh: frozenset[UUID]
    voided: frozenset[UUID]


async def insert_receipts(tx: Transaction, rows: Sequence[ReceiptRow]) -> Inserted:
    """Insert what is not there yet. `rows` have distinct ids, in rising order: unsorted batches deadlock."""
    found = await tx.fetch(
        "INSERT INTO receipts AS known (receipt_id, event_id, subject_id, is_guest, kind, training, voided,"
        " store_id, occurred_at, business_date, returns_receipt_id, moved)"
        " SELECT receipt_id, event_id, subject_id, is_guest, kind, training, false, store_id, occurred_at,"
        " business_date, returns_receipt_id, moved::jsonb"
        " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bool[], $5::text[], $6::bool[], $7::text[],"
        " $8::timestamptz[], $9::date[], $10::uuid[], $11::text[]) AS new (receipt_id, event_id,"
        " subject_id, is_guest, kind, training, store_id, occurred_at, business_date, returns_receipt_id, moved)"
        " ON CONFLICT (receipt_id) DO UPDATE SET event_id = excluded.event_id,"
        " subject_id = excluded.subject_id, is_guest = excluded.is_guest, kind = excluded.kind,"
        " training = excluded.training, store_id = excluded.store_id, occurred_at = excluded.occurred_at,"
        " business_date = excluded.business_date, returns_receipt_id = excluded.returns_receipt_id,"
        " moved = excluded.moved"
        " WHERE known.kind = 'unknown' RETURNING receipt_id, voided",
        [row.receipt_id for row in rows],
        [row.event_id for row in rows],
        [row.subject_id for row in rows],
        [row.is_guest for row in rows],
        [row.kind for row in rows],
        [row.training for row in rows],
        [row.store_id for row in rows],
        [row.occurred_at for row in rows],
        [row.business_date for row in rows],
        [row.returns_receipt_id for row in rows],
        # As text: of lists within a list the driver would make one array of more dimensions.
        [orjson.dumps(row.moved).decode() for row in rows],
    )
    voided = frozenset(row["receipt_id"] for row in found if row["voided"])
    return Inserted(frozenset(row["receipt_id"] for row in found), voided)


async def take_back(tx: Transaction, receipt_ids: Collection[UUID]) -> list[Row]:
    """Mark receipts as voided, also before they come; return those that counted until now.

    Each has subject_id, kind, training, store_id, business_date, moved.
    """
    rows = await tx.fetch(
        "INSERT INTO receipts AS known (receipt_id, is_guest, kind, training, voided, moved)"
        " SELECT receipt_id, false, 'unknown', false, true, '[]'::jsonb FROM unnest($1::uuid[]) AS t (receipt_id)"
        " ON CONFLICT (receipt_id) DO UPDATE SET voided = true WHERE NOT known.voided"
        " RETURNING subject_id, kind, training, store_id, business_date, moved",
        sorted(set(receipt_ids), key=lambda receipt_id: receipt_id.int),
    )
    return [row for row in rows if row["kind"] != "unknown"]


async def name_replacements(tx: Transaction, replaced_by: Mapping[UUID, UUID]) -> set[UUID]:
    """Keep which receipt was recorded in place of each that is taken back: of several the first by id, in any order.

    Return whose receipts these are, as far as they have come. `take_back` has locked them.
    """
    if not replaced_by:
        return set()
    rows = await tx.fetch(
        "UPDATE receipts r SET replaced_by = least(r.replaced_by, v.replaced_by)"
        " FROM unnest($1::uuid[], $2::uuid[]) AS v (receipt_id, replaced_by) WHERE r.receipt_id = v.receipt_id"
        " RETURNING r.subject_id",
        list(replaced_by),
        list(replaced_by.values()),
    )
    return {row["subject_id"] for row in rows if row["subject_id"] is not None}


async def add_popularity(tx: Transaction, changes: Mapping[PlaceKey, int]) -> None:
    """Add to the purchases of products by day, store and partition; rows that come to nothing go."""
    ordered = sorted(item for item in changes.items() if item[1])
    if not ordered:
        return
    await tx.execute(
        "INSERT INTO popularity AS p (day, store_id, product_id, partition, purchases)"
        " SELECT * FROM unnest($1::date[], $2::text[], $3::text[], $4::smallint[], $5::int[])"
        " ON CONFLICT (day, store_id, product_id, partition)"
        " DO UPDATE SET purchases = p.purchases + excluded.purchases",
        [key[0] for key, _ in ordered],
        [key[1] for key, _ in ordered],
        [key[2] for key, _ in ordered],
        [key[3] for key, _ in ordered],
        [purchases for _, purchases in ordered],
    )
    gone = [key for key, purchases in ordered if purchases < 0]
    if gone:
        await tx.execute(
            "DELETE FROM popularity p USING unnest($1::date[], $2::text[], $3::text[], $4::smallint[])"
            " AS t (day, store_id, product_id, partition) WHERE p.purchases = 0 AND (p.day, p.store_id,"
            " p.product_id, p.partition) = (t.day, t.store_id, t.product_id, t.partition)",
            [key[0] for key in gone],
            [key[1] for key in gone],
            [key[2] for key in gone],
            [key[3] for key in gone],
        )


async def delete_oldest_day(tx: Transaction, before: date) -> int:
    """Delete the oldest day's popularity, if it lies before a day; return how many rows went."""
    return await tx.execute(
        "DELETE FROM popularity WHERE day = (SELECT min(day) FROM popularity WHERE day < $1)", before
    )


async def receipts_to_rewrite(tx: Transaction, subject_ids: Sequence[UUID]) -> list[Row]:
    """Lock and return the erased subjects' receipts, with what each of them counts for."""
    return await tx.fetch(
        "SELECT receipt_id, event_id, subject_id, kind, training, voided, store_id, business_date, moved"
        " FROM receipts WHERE subject_id = ANY($1) ORDER BY receipt_id FOR UPDATE",
        list(subject_ids),
    )


async def rewrite_receipts(tx: Transaction, guests: Mapping[UUID, UUID]) -> None:
    """Give receipts (by id) to guests of their own."""
    await tx.execute(
        "UPDATE receipts r SET subject_id = g.guest_id, is_guest = true"
        " FROM unnest($1::uuid[], $2::uuid[]) AS g (receipt_id, guest_id) WHERE r.receipt_id = g.receipt_id",
        list(guests),
        list(guests.values()),
    )
