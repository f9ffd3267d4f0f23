"""What topics told: receipts, consents, memberships, warnings, products and stores.

Everything here is a function of the set of events: facts are inserted by id, the rest keeps the highest `n` or
the latest (occurred_at, event_id). Rows are written in the order of their keys.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as campaign keeps it; amounts in minor units."""

    receipt_id: UUID
    subject_id: UUID
    subject_kind: str
    store_id: str
    occurred_at: datetime
    business_date: date
    kind: str
    sold_minor: int
    returned_minor: int
    currency: str
    returns_receipt_id: UUID | None


@dataclass(frozen=True, slots=True)
class Void:
    """A receipt that takes back another one; `replaced_by` is the one recorded in its place, of an edited order."""

    void_id: UUID
    receipt_id: UUID
    occurred_at: datetime
    replaced_by: UUID | None = None


async def add_receipts(tx: Transaction, receipts: Sequence[Receipt]) -> set[UUID]:
    """Store the receipts; return the ids that were not known before."""
    ordered = sorted(receipts, key=lambda receipt: receipt.receipt_id)
    rows = await tx.fetch(
        "INSERT INTO receipts (receipt_id, subject_id, subject_kind, store_id, occurred_at, business_date, kind,"
        " sold_minor, returned_minor, currency, returns_receipt_id)"
        " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::date[],"
        " $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::uuid[])"
        " ON CONFLICT (receipt_id) DO NOTHING RETURNING receipt_id",
        [receipt.receipt_id for receipt in ordered],
        [receipt.subject_id for receipt in ordered],
        [receipt.subject_kind for receipt in ordered],
        [receipt.store_id for receipt in ordered],
        [receipt.occurred_at for receipt in ordered],
        [receipt.business_date for receipt in ordered],
        [receipt.kind for receipt in ordered],
        [receipt.sold_minor for receipt in ordered],
        [receipt.returned_minor for receipt in ordered],
        [receipt.currency for receipt in ordered],
        [receipt.returns_receipt_id for receipt in ordered],
    )
    return {row["receipt_id"] for row in rows}


async def add_voids(tx: Transaction, voids: Sequence[Void]) -> set[UUID]:
    """Store the voids; return the ids that were not known before."""
    ordered = sorted(voids, key=lambda void: void.void_id)
    rows = await tx.fetch(
        "INSERT INTO voids (void_id, receipt_id, occurred_at, replaced_by)"
        " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[])"
        " ON CONFLICT (void_id) DO NOTHING RETURNING void_id",
        [void.void_id for void in ordered],
        [void.receipt_id for void in ordered],
        [void.occurred_at for void in ordered],
        [void.replaced_by for void in ordered],
    )
    return {row["void_id"] for row in rows}


@dataclass(frozen=True, slots=True)
class ConsentSaid:
    """What a subject said about one purpose on one channel."""

    subject_id: UUID
    purpose: str
    channel: str
    state: str
    occurred_at: datetime
    event_id: UUID

    @property
    def key(self) -> tuple[UUID, str, str]:
        return self.subject_id, self.purpose, self.channel

    @property
    def age(self) -> tuple[datetime, UUID]:
        return self.occurred_at, self.event_id


async def keep_consents(tx: Transaction, said: Sequence[ConsentSaid]) -> None:
    latest: dict[tuple[UUID, str, str], ConsentSaid] = {}
    for consent in sorted(said, key=lambda consent: consent.age):
        latest[consent.key] = consent
    ordered = [latest[key] for key in sorted(latest)]
    await tx.execute(
        "INSERT INTO consents (subject_id, purpose, channel, state, occurred_at, event_id)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[])"
        " ON CONFLICT (subject_id, purpose, channel) DO UPDATE SET state = excluded.state,"
        " occurred_at = excluded.occurred_at, event_id = excluded.event_id"
        " WHERE (consents.occurred_at, consents.event_id) < (excluded.occurred_at, excluded.event_id)",
        [consent.subject_id for consent in ordered],
        [consent.purpose for consent in ordered],
        [consent.channel for consent in ordered],
        [consent.state for consent in ordered],
        [consent.occurred_at for consent in ordered],
        [consent.event_id for consent in ordered],
    )


@dataclass(frozen=True, slots=True)
class WarningState:
    """The n-th change of a customer's warnings; without a level none is open."""

    customer_id: UUID
    n: int
    level: str | None


async def keep_warnings(tx: Transaction, changes: Sequence[WarningState]) -> None:
    highest = {change.customer_id: change for change in sorted(changes, key=lambda change: change.n)}
    ordered = [highest[customer_id] for customer_id in sorted(highest)]
    await tx.execute(
        "INSERT INTO warnings (customer_id, n, level) SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[])"
        " ON CONFLICT (customer_id) DO UPDATE SET n = excluded.n, level = excluded.level"
        " WHERE warnings.n < excluded.n",
        [change.customer_id for change in ordered],
        [change.n for change in ordered],
        [change.level for change in ordered],
    )


@dataclass(frozen=True, slots=True)
class Product:
    """A product's categories, from the department down."""

    product_id: str
    categories: tuple[str, ...]
    occurred_at: datetime
    event_id: UUID


async def keep_products(tx: Transaction, products: Sequence[Product]) -> None:
    ordered = sorted(products, key=lambda product: (product.product_id, product.occurred_at, product.event_id))
    await tx.executemany(
        "INSERT INTO products (product_id, categories, occurred_at, event_id) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (product_id) DO UPDATE SET categories = excluded.categories,"
        " occurred_at = excluded.occurred_at, event_id = excluded.event_id"
        " WHERE (products.occurred_at, products.event_id) < (excluded.occurred_at, excluded.event_id)",
        [(product.product_id, product.categories, product.occurred_at, product.event_id) for product in ordered],
    )


@dataclass(frozen=True, slots=True)
class Store:
    """A store's name and area."""

    store_id: str
    name: str
    area: str | None
    occurred_at: datetime
    event_id: UUID


async def keep_stores(tx: Transaction, stores: Sequence[Store]) -> None:
    ordered = sorted(stores, key=lambda store: (store.store_id, store.occurred_at, store.event_id))
    await tx.executemany(
        "INSERT INTO stores (store_id, name, area, occurred_at, event_id) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (store_id) DO UPDATE SET name = excluded.name, area = excluded.area,"
        " occurred_at = excluded.occurred_at, event_id = excluded.event_id"
        " WHERE (stores.occurred_at, stores.event_id) < (excluded.occurred_at, excluded.event_id)",
        [(store.store_id, store.name, store.area, store.occurred_at, store.event_id) for store in ordered],
    )


async def products_in(tx: Transaction, product_ids: Collection[str], categories: Collection[str]) -> set[str]:
    """Return which of the products are in one of the categories, at any depth."""
    rows = await tx.fetch(
        "SELECT product_id FROM products WHERE product_id = ANY($1::text[]) AND categories && $2::text[]",
        list(product_ids),
        list(categories),
    )
    return {row["product_id"] for row in rows}
