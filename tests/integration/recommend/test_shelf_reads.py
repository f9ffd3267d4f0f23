"""What is read of the shelf: prices for a time beside the usual one, and sales up to today."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.recommend.domain.promotions import PricePeriod, promotions_at
from services.recommend.handlers.catalogue import forget_prices
from services.recommend.store import catalogue, shelf
from services.recommend.store.catalogue import PriceRow, insert_prices
from shared.db import Database, Transaction

NOW = datetime(2026, 5, 20, 10, tzinfo=UTC)
DAY = timedelta(days=1)


def price(
    minor: int, begins: float, ends: float | None = None, product: str = "P1", store: str | None = None
) -> PriceRow:
    until = None if ends is None else NOW + ends * DAY
    return PriceRow(uuid4(), product, store, "CNY", minor, NOW + begins * DAY, until, NOW - 90 * DAY)


async def promoted(database: Database, *rows: PriceRow) -> list[PricePeriod]:
    async with database.transaction() as tx:
        await insert_prices(tx, rows)
    async with database.session() as session:
        return await shelf.promoted_prices(session, NOW, NOW + DAY)


async def test_an_offer_is_read_with_the_usual_price_beside_it(migrated: Database) -> None:
    found = await promoted(migrated, price(250, -80), price(200, -60), price(150, -1, 2))
    assert [each.price_minor for each in found] == [200, 150]
    assert promotions_at(found, None, NOW)["P1"].percent == 25


async def test_products_without_an_offer_are_not_read(migrated: Database) -> None:
    assert await promoted(migrated, price(200, -60), price(180, -1), price(99, -9, -1)) == []


async def test_what_begins_within_a_day_is_read_ahead_and_what_has_ended_is_not(migrated: Database) -> None:
    found = await promoted(migrated, price(200, -60), price(150, 0.5, 2), price(120, 3, 4), price(90, -3, 0))
    assert [each.price_minor for each in found] == [200, 150]
    assert promotions_at(found, None, NOW) == {}
    assert "P1" in promotions_at(found, None, NOW + 0.5 * DAY)


async def test_each_store_keeps_its_own_usual_price(migrated: Database) -> None:
    found = await promoted(
        migrated,
        price(200, -60),
        price(160, -50, store="S1"),
        price(170, -70, store="S1"),
        price(80, -1, 1, store="S1"),
    )
    assert {(each.store_id, each.price_minor) for each in found} == {(None, 200), ("S1", 160), ("S1", 80)}
    assert promotions_at(found, "S1", NOW)["P1"].percent == 50
    assert promotions_at(found, "S2", NOW) == {}


async def test_sales_of_a_till_whose_clock_is_wrong_are_popular_nowhere(migrated: Database) -> None:
    async with migrated.transaction() as tx:
        for product, days in (("today", 0), ("tomorrow", 1), ("next year", 365), ("long ago", -100)):
            await tx.execute(
                "INSERT INTO popularity (day, store_id, product_id, partition, purchases)"
                " VALUES ($1, 'S1', $2, 0, 1)",
                (NOW + days * DAY).date(),
                product,
            )
    async with migrated.session() as session:
        chain = await shelf.chain_sales(session, NOW, (7, 28, 84))
        stores = await shelf.store_sales(session, NOW, 28.0)
    assert set(chain) == {"today", "tomorrow"}
    assert set(stores[0].product_ids) == {"today", "tomorrow"}


def _prices(draw: Random, count: int) -> list[PriceRow]:
    """Prices of two products in two stores and everywhere, some for a time, begun within 200 days."""
    rows = []
    for _ in range(count):
        begun = NOW - draw.randrange(200) * DAY
        until = begun + draw.randrange(1, 60) * DAY if draw.random() < 0.4 else None
        store = draw.choice([None, None, "S1", "S2"])
        name = draw.choice(["P1", "P2"])
        rows.append(
            PriceRow(UUID(int=draw.getrandbits(128)), name, store, "CNY", draw.randrange(900), begun, until, begun)
        )
    return rows


async def _read(session: Transaction, moment: datetime) -> list[list[Any]]:
    held = await shelf.prices_at(session, moment)
    return [[tuple(row.values()) for row in held], await shelf.promoted_prices(session, moment, moment + DAY)]


@pytest.mark.parametrize("seed", range(5))
async def test_prices_that_can_hold_no_more_go_and_no_answer_changes(migrated: Database, seed: int) -> None:
    before = NOW - 84 * DAY
    moments = [before + days * DAY for days in (0, 1, 30, 84, 120)]
    rows = _prices(Random(seed), 60)
    async with migrated.transaction() as tx:
        await catalogue.insert_prices(tx, rows)
        read = [await _read(tx, moment) for moment in moments]
    async with migrated.transaction() as tx:
        while await catalogue.delete_prices(tx, before, 7):
            pass
        left = {row["event_id"] for row in await tx.fetch("SELECT event_id FROM prices")}
        assert [await _read(tx, moment) for moment in moments] == read
    assert 0 < len(left) < len(rows)
    async with migrated.transaction() as tx:
        # What comes late, or again, and holds no more goes the next time: what is left does not depend on the order.
        await catalogue.insert_prices(tx, rows)
        assert not await forget_prices(tx, NOW)
        assert {row["event_id"] for row in await tx.fetch("SELECT event_id FROM prices")} == left
