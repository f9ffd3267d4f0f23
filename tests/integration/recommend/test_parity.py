"""Serving and training see exactly what the evaluation sees of the same real shopping history."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import pytest

from services.recommend.assortment import assortment_of
from services.recommend.domain.facts import net_receipts
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.generators.popular import WINDOWS_DAYS, popularity_of
from services.recommend.knowledge import Knowledge, learn
from services.recommend.serving.popularity_now import popularity_now
from services.recommend.store import customers, shelf
from services.recommend.training.dataset import Dataset, dataset_of
from services.recommend.training.run import read_dataset
from shared.db import Database
from shared.events import Envelope
from tests.integration.recommend.conftest import apply
from tests.integration.recommend.events import returned, voided
from tests.integration.recommend.real_receipts import real_lines, sales_of

pytestmark = pytest.mark.postgres
HOUSEHOLDS = 30
CUT_DAYS = 364.0


@pytest.fixture(scope="module")
def lines() -> pl.DataFrame:
    return real_lines(HOUSEHOLDS)


@pytest.fixture(scope="module")
def sales(lines: pl.DataFrame) -> list[Envelope[Any]]:
    return sales_of(lines)


@pytest.fixture
async def stored(migrated: Database, sales: Sequence[Envelope[Any]]) -> Database:
    """The database after all receipts, the later ones first."""
    newest_first = sorted(sales, key=lambda sale: sale.occurred_at, reverse=True)
    for start in range(0, len(newest_first), 300):
        await apply(migrated, newest_first[start : start + 300])
    return migrated


@pytest.fixture(scope="module")
def learned(lines: pl.DataFrame) -> tuple[Dataset, Knowledge]:
    dataset = dataset_of(lines)
    as_of = float(dataset.at.min()) + CUT_DAYS
    return dataset, learn(dataset, assortment_of(dataset.product_ids, {}), as_of)


async def test_training_reads_the_same_table_as_the_evaluation(
    stored: Database, learned: tuple[Dataset, Knowledge], sales: Sequence[Envelope[Any]]
) -> None:
    offline, last = learned[0], max(sale.occurred_at for sale in sales)
    online = await read_dataset(stored, last.replace(year=last.year + 1))
    assert (online.customer_ids, online.product_ids, online.store_ids) == (
        offline.customer_ids,
        offline.product_ids,
        offline.store_ids,
    )
    assert online.basket_ids == offline.basket_ids
    for name in ("basket_starts", "line_starts", "product", "at", "store"):
        np.testing.assert_array_equal(getattr(online, name), getattr(offline, name), err_msg=name)


async def test_training_takes_back_what_serving_takes_back(stored: Database, sales: Sequence[Envelope[Any]]) -> None:
    sale, other = sorted(sales, key=lambda each: len(each.data.lines))[-2:]
    product = sale.data.lines[0].product_id
    later = max(each.occurred_at for each in sales)
    units = int(sale.data.lines[0].quantity) or 1
    back = [returned(f"r{n}", None, 0, product, of="x") for n in range(units)]
    named = [
        event.model_copy(
            update={"data": event.data.model_copy(update={"returns_of": _original(sale)}), "occurred_at": later}
        )
        for event in back
    ]
    await apply(stored, [*named, _void_of(other)])
    dataset = await read_dataset(stored, later.replace(year=later.year + 1))
    assert str(other.event_id) not in dataset.basket_ids
    place = dataset.basket_ids.index(str(sale.event_id))
    kept = {dataset.product_ids[number] for number in dataset.basket(place)}
    served = await _state_products(stored, sale.subject_id, str(sale.event_id))
    assert kept == served == {line.product_id for line in sale.data.lines} - {product}


def _original(sale: Envelope[Any]) -> Any:
    return returned("any", None, 0, "any", of="any").data.returns_of.model_copy(update={"receipt_id": sale.event_id})


def _void_of(sale: Envelope[Any]) -> Envelope[Any]:
    event = voided("v", "any", sale.subject_id)
    data = event.data.model_copy(update={"voids_receipt_id": sale.event_id})
    return event.model_copy(update={"data": data})


async def _state_products(database: Database, subject_id: UUID, basket: str) -> set[str]:
    async with database.session() as session:
        receipts = net_receipts((await customers.known(session, subject_id)).facts)
    return {line.product_id for receipt in receipts if receipt.receipt_id == basket for line in receipt.lines}


async def test_popularity_from_the_table_is_that_of_the_lines_counted_by_day(
    stored: Database, lines: pl.DataFrame, learned: tuple[Dataset, Knowledge]
) -> None:
    dataset, knowledge = learned
    now = max(lines["at"])
    async with stored.session() as session:
        chain = await shelf.chain_sales(session, now, WINDOWS_DAYS)
        stores = await shelf.store_sales(session, now, 28.0)
    online = popularity_now(chain, stores, knowledge.assortment.index, knowledge.stores)
    numbers, baskets = dataset.lines_between(-np.inf, np.inf)
    noon = np.floor(dataset.at[baskets]) + 0.5
    age = np.maximum(days_since_epoch(now) - noon, 0)
    near = np.floor(dataset.at[baskets]) >= np.floor(days_since_epoch(now)) - shelf.REACH_DAYS
    offline = popularity_of(
        dataset.product[numbers][near],
        dataset.store[baskets][near],
        age[near],
        np.ones(int(near.sum())),
        len(dataset.product_ids),
        len(dataset.store_ids),
    )
    np.testing.assert_allclose(online.chain, offline.chain, rtol=1e-12)
    np.testing.assert_array_equal(online.chain > 0, offline.chain > 0)
    for store in range(len(dataset.store_ids)):
        size = len(dataset.product_ids)
        np.testing.assert_allclose(online.in_store(store, size), offline.in_store(store, size), rtol=1e-9, atol=1e-12)
