"""Receipts and voids as facts, and the totals that their arrival changes.

A sale and its void may be applied by two workers at once, in either order. Both write the sale's own row in
`receipts` (the void leaves a row of kind `unknown` where the sale is not there yet), so one waits for the other
and sees what it did. Totals add up; those that a void touches are counted anew from the facts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from services.profile.domain.purchases import Figures, ReceiptFact, Totals, VoidFact
from shared.db import Row, Transaction

PlaceKey = tuple[str, int, str]
"""Store, partition, currency."""

_FIGURES = "receipts, returns, items, gross_minor, returned_minor, unknown_void_minor"


@dataclass(frozen=True, slots=True)
class Voided:
    """A receipt that a void has just taken back."""

    receipt_id: UUID
    subject_id: UUID
    store_id: str
    currency: str
    kind: str
    training: bool
    sold_minor: int
    returned_minor: int
    items: int


@dataclass(frozen=True, slots=True)
class Inserted:
    """Which receipts of a batch were new, and which of these had been voided before they came."""

    fresh: frozenset[UUID]
    voided: frozenset[UUID]


async def insert_receipts(tx: Transaction, facts: Sequence[ReceiptFact]) -> Inserted:
    """Insert what is not there yet. `facts` have distinct ids, in rising order: unsorted batches deadlock."""
    rows = await tx.fetch(
        "INSERT INTO receipts AS known (receipt_id, event_id, subject_id, kind, training, voided, store_id,"
        " occurred_at, business_date, utc_offset_minutes, currency, sold_minor, returned_minor, items,"
        " used_coupon, channel, lines)"
        " SELECT receipt_id, event_id, subject_id, kind, training, false, store_id, occurred_at, business_date,"
        " utc_offset_minutes, currency, sold_minor, returned_minor, items, used_coupon, channel, lines::jsonb"
        " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bool[], $6::text[], $7::timestamptz[],"
        " $8::date[], $9::smallint[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bool[],"
        " $15::text[], $16::text[]) AS new (receipt_id, event_id, subject_id, kind, training, store_id,"
        " occurred_at, business_date, utc_offset_minutes, currency, sold_minor, returned_minor, items,"
        " used_coupon, channel, lines)"
        " ON CONFLICT (receipt_id) DO UPDATE SET event_id = excluded.event_id,"
        " subject_id = excluded.subject_id, kind = excluded.kind, training = excluded.training,"
        " store_id = excluded.store_id, occurred_at = excluded.occurred_at,"
        " business_date = excluded.business_date, utc_offset_minutes = excluded.utc_offset_minutes,"
        " currency = excluded.currency, sold_minor = excluded.sold_minor,"
        " returned_minor = excluded.returned_minor, items = excluded.items,"
        " used_coupon = excluded.used_coupon, channel = excluded.channel, lines = excluded.lines"
        " WHERE known.kind = 'unknown' RETURNING receipt_id, voided",
        [fact.receipt_id for fact in facts],
        [fact.event_id for fact in facts],
        [fact.subject_id for fact in facts],
        [fact.kind for fact in facts],
        [fact.training for fact in facts],
        [fact.store_id for fact in facts],
        [fact.occurred_at for fact in facts],
        [fact.business_date for fact in facts],
        [fact.utc_offset_minutes for fact in facts],
        [fact.currency for fact in facts],
        [fact.sold_minor for fact in facts],
        [fact.returned_minor for fact in facts],
        [fact.items for fact in facts],
        [fact.used_coupon for fact in facts],
        [fact.channel for fact in facts],
        # As text: the driver would take a list of lists for one more dimension of the array.
        [orjson.dumps(fact.lines).decode() for fact in facts],
    )
    voided = frozenset(row["receipt_id"] for row in rows if row["voided"])
    return Inserted(frozenset(row["receipt_id"] for row in rows), voided)


async def insert_voids(tx: Transaction, facts: Sequence[VoidFact]) -> set[UUID]:
    """Insert what is not there yet; return the ids of those. `facts` are distinct, in rising order."""
    rows = await tx.fetch(
        "INSERT INTO voids (receipt_id, event_id, voids_receipt_id, subject_id, store_id, occurred_at, currency,"
        " amount_minor) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[],"
        " $6::timestamptz[], $7::text[], $8::bigint[])"
        " ON CONFLICT (receipt_id) DO NOTHING RETURNING receipt_id",
        [fact.receipt_id for fact in facts],
        [fact.event_id for fact in facts],
        [fact.voids_receipt_id for fact in facts],
        [fact.subject_id for fact in facts],
        [fact.store_id for fact in facts],
        [fact.occurred_at for fact in facts],
        [fact.currency for fact in facts],
        [fact.amount_minor for fact in facts],
    )
    return {row["receipt_id"] for row in rows}


async def take_back(tx: Transaction, receipt_ids: Collection[UUID]) -> tuple[list[Voided], set[UUID]]:
    """Mark receipts as voided; return those that counted until now, and which of all are still unknown."""
    ordered = sorted(receipt_ids, key=lambda receipt_id: receipt_id.int)
    rows = await tx.fetch(
        "INSERT INTO receipts AS known (receipt_id, kind, training, voided, sold_minor, returned_minor, items,"
        " used_coupon, lines)"
        " SELECT receipt_id, 'unknown', false, true, 0, 0, 0, false, '[]' FROM unnest($1::uuid[]) AS t (receipt_id)"
        " ON CONFLICT (receipt_id) DO UPDATE SET voided = true WHERE NOT known.voided"
        " RETURNING receipt_id, subject_id, store_id, currency, kind, training, sold_minor, returned_minor, items",
        ordered,
    )
    unknown = await tx.fetch(
        "SELECT receipt_id FROM receipts WHERE receipt_id = ANY($1) AND kind = 'unknown'", ordered
    )
    counted = [Voided(**dict(row)) for row in rows if row["kind"] != "unknown"]
    return counted, {row["receipt_id"] for row in unknown}


async def voids_naming(tx: Transaction, receipt_ids: Collection[UUID]) -> list[Row]:
    """Return subject_id, store_id, currency and amount_minor of every void that names one of the receipts."""
    return await tx.fetch(
        "SELECT subject_id, store_id, currency, amount_minor FROM voids WHERE voids_receipt_id = ANY($1)",
        list(receipt_ids),
    )


async def add_totals(tx: Transaction, totals: Iterable[Totals], subject_ids: Iterable[UUID]) -> None:
    """Add to the subjects' totals, which come in the same order as the subjects."""
    rows = sorted(zip(subject_ids, totals, strict=True), key=lambda row: (row[0].int, row[1].currency))
    await tx.execute(
        f"INSERT INTO subject_totals AS t (subject_id, currency, {_FIGURES}, first_at, last_at)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],"
        " $7::bigint[], $8::bigint[], $9::timestamptz[], $10::timestamptz[])"
        " ON CONFLICT (subject_id, currency) DO UPDATE SET receipts = t.receipts + excluded.receipts,"
        " returns = t.returns + excluded.returns, items = t.items + excluded.items,"
        " gross_minor = t.gross_minor + excluded.gross_minor,"
        " returned_minor = t.returned_minor + excluded.returned_minor,"
        " unknown_void_minor = t.unknown_void_minor + excluded.unknown_void_minor,"
        " first_at = least(t.first_at, excluded.first_at), last_at = greatest(t.last_at, excluded.last_at)",
        [subject_id for subject_id, _ in rows],
        [each.currency for _, each in rows],
        *_columns([each.figures for _, each in rows]),
        [each.first_at for _, each in rows],
        [each.last_at for _, each in rows],
    )


async def recount(tx: Transaction, subject_ids: Collection[UUID]) -> None:
    """Count the totals of subjects anew from their facts.

    The rows are made and locked first and counted in a later statement: whoever adds to one at the same time has
    either committed, and is counted, or waits, and is added afterwards.
    """
    ordered = sorted(set(subject_ids), key=lambda subject_id: subject_id.int)
    await tx.execute(
        f"INSERT INTO subject_totals (subject_id, currency, {_FIGURES})"
        " SELECT subject_id, currency, 0, 0, 0, 0, 0, 0 FROM"
        " (SELECT subject_id, currency FROM receipts WHERE subject_id = ANY($1)"
        " UNION SELECT subject_id, currency FROM voids WHERE subject_id = ANY($1)) facts"
        " ORDER BY subject_id, currency ON CONFLICT (subject_id, currency) DO NOTHING",
        ordered,
    )
    await tx.fetch(
        "SELECT 1 FROM subject_totals WHERE subject_id = ANY($1) ORDER BY subject_id, currency FOR UPDATE", ordered
    )
    await tx.execute(
        "UPDATE subject_totals t SET receipts = f.receipts, returns = f.returns, items = f.items,"
        " gross_minor = f.gross_minor, returned_minor = f.returned_minor,"
        " unknown_void_minor = f.unknown_void_minor, first_at = f.first_at, last_at = f.last_at"
        " FROM subject_totals k CROSS JOIN LATERAL"
        " (SELECT count(*) FILTER (WHERE r.kind <> 'return') AS receipts,"
        " count(*) FILTER (WHERE r.kind <> 'sale') AS returns, coalesce(sum(r.items), 0) AS items,"
        " coalesce(sum(r.sold_minor), 0) AS gross_minor, coalesce(sum(r.returned_minor), 0) AS returned_minor,"
        " (SELECT coalesce(sum(v.amount_minor), 0) FROM voids v JOIN receipts o ON o.receipt_id = v.voids_receipt_id"
        " WHERE v.subject_id = k.subject_id AND v.currency = k.currency AND o.kind = 'unknown')"
        " AS unknown_void_minor,"
        " min(r.occurred_at) FILTER (WHERE r.kind <> 'return') AS first_at,"
        " max(r.occurred_at) FILTER (WHERE r.kind <> 'return') AS last_at"
        " FROM receipts r WHERE r.subject_id = k.subject_id AND r.currency = k.currency"
        " AND NOT r.voided AND NOT r.training) f"
        " WHERE k.subject_id = ANY($1) AND t.subject_id = k.subject_id AND t.currency = k.currency",
        ordered,
    )


async def add_to_stores(tx: Transaction, changes: Mapping[PlaceKey, tuple[int, Figures]]) -> None:
    """Add facts and figures to the stores' totals; a row that no fact stands behind any more goes."""
    rows = sorted(changes.items())
    await tx.execute(
        f"INSERT INTO store_totals AS t (store_id, partition, currency, facts, {_FIGURES})"
        " SELECT * FROM unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],"
        " $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])"
        " ON CONFLICT (store_id, partition, currency) DO UPDATE SET facts = t.facts + excluded.facts,"
        " receipts = t.receipts + excluded.receipts, returns = t.returns + excluded.returns,"
        " items = t.items + excluded.items, gross_minor = t.gross_minor + excluded.gross_minor,"
        " returned_minor = t.returned_minor + excluded.returned_minor,"
        " unknown_void_minor = t.unknown_void_minor + excluded.unknown_void_minor",
        [key[0] for key, _ in rows],
        [key[1] for key, _ in rows],
        [key[2] for key, _ in rows],
        [facts for _, (facts, _) in rows],
        *_columns([figures for _, (_, figures) in rows]),
    )
    if any(facts < 0 for facts, _ in changes.values()):
        await tx.execute(
            "DELETE FROM store_totals WHERE facts = 0 AND store_id = ANY($1)", [key[0] for key, _ in rows]
        )


def _columns(figures: Sequence[Figures]) -> list[list[Any]]:
    names = ("receipts", "returns", "items", "gross_minor", "returned_minor", "unknown_void_minor")
    return [[getattr(each, name) for each in figures] for name in names]
