"""Products and stores as the catalogue last described them; joined when read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class ProductFact:
    """A product as it was described at a moment."""

    product_id: str
    name: str
    brand: str | None
    categories: list[str]
    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True, slots=True)
class StoreFact:
    """A store as it was described at a moment."""

    store_id: str
    name: str
    area: str | None
    city: str | None
    time_zone: str
    channel: str
    is_open: bool
    occurred_at: datetime
    event_id: UUID


async def keep_products(tx: Transaction, facts: Sequence[ProductFact]) -> None:
    """Keep the latest (occurred_at, event_id) of every product."""
    await tx.executemany(
        "INSERT INTO products AS p (product_id, name, brand, categories, occurred_at, event_id)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (product_id) DO UPDATE SET name = excluded.name,"
        " brand = excluded.brand, categories = excluded.categories, occurred_at = excluded.occurred_at,"
        " event_id = excluded.event_id"
        " WHERE (p.occurred_at, p.event_id) < (excluded.occurred_at, excluded.event_id)",
        [
            (fact.product_id, fact.name, fact.brand, fact.categories, fact.occurred_at, fact.event_id)
            for fact in sorted(facts, key=lambda fact: fact.product_id)
        ],
    )


async def keep_stores(tx: Transaction, facts: Sequence[StoreFact]) -> None:
    """Keep the latest (occurred_at, event_id) of every store."""
    await tx.executemany(
        "INSERT INTO stores AS s (store_id, name, area, city, time_zone, channel, is_open, occurred_at, event_id)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (store_id) DO UPDATE SET name = excluded.name,"
        " area = excluded.area, city = excluded.city, time_zone = excluded.time_zone,"
        " channel = excluded.channel, is_open = excluded.is_open, occurred_at = excluded.occurred_at,"
        " event_id = excluded.event_id"
        " WHERE (s.occurred_at, s.event_id) < (excluded.occurred_at, excluded.event_id)",
        [
            (
                fact.store_id,
                fact.name,
                fact.area,
                fact.city,
                fact.time_zone,
                fact.channel,
                fact.is_open,
                fact.occurred_at,
                fact.event_id,
            )
            for fact in sorted(facts, key=lambda fact: fact.store_id)
        ],
    )
