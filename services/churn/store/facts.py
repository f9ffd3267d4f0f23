"""Receipts, voids, products and erasures as facts; state is what of them is there, in whatever order they came."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import orjson

from shared.db import Database, Transaction
from shared.identity import guest_subject_id


@dataclass(frozen=True, slots=True)
class ReceiptFact:
    """One receipt as far as features need it. Amounts are positive minor units of `currency`."""

    receipt_id: UUID
    event_id: UUID
    subject_id: UUID
    identified: bool
    kind: str
    day: date
    occurred_at: datetime
    hour: int
    store_id: str
    currency: str
    sold_minor: int
    returned_minor: int
    items: int
    discount_minor: int
    coupon_minor: int
    products: list[str]


@dataclass(frozen=True, slots=True)
class VoidFact:
    """One void; the receipt it takes back may be known, or arrive later, or never."""

    receipt_id: UUID
    voids_receipt_id: UUID


@dataclass(frozen=True, slots=True)
class ProductFact:
    """A product's categories as they were described at a moment."""

    product_id: str
    categories: list[str]
    occurred_at: datetime
    event_id: UUID


def _json(value: list[str]) -> str:
    """Write a list as text: in an array of jsonb the driver would take it for another dimension."""
    return orjson.dumps(value).decode()


async def insert_receipts(tx: Transaction, facts: Sequence[ReceiptFact]) -> list[UUID]:
    """Insert what is not there yet; return the ids of those. `facts` are distinct, in rising order of ids."""
    rows = await tx.fetch(
        "INSERT INTO receipts (receipt_id, event_id, subject_id, identified, kind, day, occurred_at, hour, store_id,"
        " currency, sold_minor, returned_minor, items, discount_minor, coupon_minor, products)"
        " SELECT receipt_id, event_id, subject_id, identified, kind, day, occurred_at, hour, store_id, currency,"
        " sold_minor, returned_minor, items, discount_minor, coupon_minor, products::jsonb"
        " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bool[], $5::text[], $6::date[], $7::timestamptz[],"
        " $8::smallint[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::int[], $14::bigint[],"
        " $15::bigint[], $16::text[]) AS new (receipt_id, event_id, subject_id, identified, kind, day, occurred_at,"
        " hour, store_id, currency, sold_minor, returned_minor, items, discount_minor, coupon_minor, products)"
        " ON CONFLICT (receipt_id) DO NOTHING RETURNING receipt_id",
        [fact.receipt_id for fact in facts],
        [fact.event_id for fact in facts],
        [fact.subject_id for fact in facts],
        [fact.identified for fact in facts],
        [fact.kind for fact in facts],
        [fact.day for fact in facts],
        [fact.occurred_at for fact in facts],
        [fact.hour for fact in facts],
        [fact.store_id for fact in facts],
        [fact.currency for fact in facts],
        [fact.sold_minor for fact in facts],
        [fact.returned_minor for fact in facts],
        [fact.items for fact in facts],
        [fact.discount_minor for fact in facts],
        [fact.coupon_minor for fact in facts],
        [_json(fact.products) for fact in facts],
    )
    return [row["receipt_id"] for row in rows]


async def insert_voids(tx: Transaction, facts: Sequence[VoidFact]) -> int:
    """Insert what is not there yet; return how many."""
    ordered = sorted(facts, key=lambda fact: fact.receipt_id.int)
    return await tx.execute(
        "INSERT INTO voids (receipt_id, voids_receipt_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])"
        " ON CONFLICT (receipt_id) DO NOTHING",
        [fact.receipt_id for fact in ordered],
        [fact.voids_receipt_id for fact in ordered],
    )


async def keep_products(tx: Transaction, facts: Sequence[ProductFact]) -> None:
    """Keep the latest (occurred_at, event_id) of every product."""
    newest = {fact.product_id: fact for fact in sorted(facts, key=lambda fact: (fact.occurred_at, fact.event_id.int))}
    ordered = [newest[product_id] for product_id in sorted(newest)]
    await tx.execute(
        "INSERT INTO products AS p (product_id, categories, occurred_at, event_id)"
        " SELECT product_id, categories::jsonb, occurred_at, event_id FROM unnest($1::text[], $2::text[],"
        " $3::timestamptz[], $4::uuid[]) AS new (product_id, categories, occurred_at, event_id)"
        " ON CONFLICT (product_id) DO UPDATE SET categories = excluded.categories,"
        " occurred_at = excluded.occurred_at, event_id = excluded.event_id"
        " WHERE (p.occurred_at, p.event_id) < (excluded.occurred_at, excluded.event_id)",
        [fact.product_id for fact in ordered],
        [_json(fact.categories) for fact in ordered],
        [fact.occurred_at for fact in ordered],
        [fact.event_id for fact in ordered],
    )


async def remember_erased(tx: Transaction, ids: Collection[UUID]) -> None:
    await tx.execute(
        "INSERT INTO erased_subjects (subject_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING",
        sorted(ids, key=lambda each: each.int),
    )


async def receipts_of(tx: Transaction, subject_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Lock and return the subjects' receipts with the event of each."""
    rows = await tx.fetch(
        "SELECT receipt_id, event_id FROM receipts WHERE subject_id = ANY($1) ORDER BY receipt_id FOR UPDATE",
        list(subject_ids),
    )
    return {row["receipt_id"]: row["event_id"] for row in rows}


async def rewrite_receipts(tx: Transaction, event_ids: dict[UUID, UUID]) -> None:
    """Give receipts (with the event of each) to guests of their own."""
    await tx.execute(
        "UPDATE receipts r SET subject_id = g.guest_id, identified = false"
        " FROM unnest($1::uuid[], $2::uuid[]) AS g (receipt_id, guest_id) WHERE r.receipt_id = g.receipt_id",
        list(event_ids),
        [guest_subject_id(event_id) for event_id in event_ids.values()],
    )


async def first_day(database: Database) -> date | None:
    """Return the earliest business day with a receipt."""
    found: date | None = await database.fetchval("SELECT min(day) FROM receipts")
    return found


async def last_day(database: Database) -> date | None:
    """Return the latest business day with a receipt."""
    found: date | None = await database.fetchval("SELECT max(day) FROM receipts")
    return found
