"""Serving and training see exactly what the evaluation sees of the same real shopping history."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import pytest

from regulars.datasets import completejourney
from services.recommend.assortment import assortment_of
from services.recommend.domain.facts import net_baskets, net_receipts
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.generators.popular import WINDOWS_DAYS, popularity_of
from services.recommend.history import History
from services.recommend.knowledge import Knowledge, learn
from services.recommend.ranking.features import features_at, prepare
from services.recommend.serving.past import Past
from services.recommend.serving.popularity_now import popularity_now
from services.recommend.store import customers, shelf
from services.recommend.training.dataset import Dataset, dataset_of
from services.recommend.training.run import read_dataset
from shared.db import Database
from shared.events import Envelope, Source
from shared.events.receipts import ReceiptRecordedV1
from tests.integration.recommend.conftest import apply
from tests.integration.recommend.events import receipt_id, returned, subject, voided

pytestmark = pytest.mark.postgres
HOUSEHOLDS = 30
CUT_DAYS = (364.0, 300.5, 180.25)


@pytest.fixture(scope="module")
def lines() -> pl.DataFrame:
    """Real receipt lines; customers and baskets carry the ids that they have in serving."""
    raw = completejourney.load(HOUSEHOLDS).lines
    cards = {card: str(subject(card)) for card in raw["customer_id"].unique()}
    baskets = {basket: str(receipt_id(basket)) for basket in raw["basket_id"].unique()}
    return raw.with_columns(pl.col("customer_id").replace_strict(cards), pl.col("basket_id").replace_strict(baskets))


@pytest.fixture(scope="module")
def sales(lines: pl.DataFrame) -> list[Envelope[Any]]:
    return [_sale(part) for part in lines.partition_by("basket_id", maintain_order=True)]


def _sale(part: pl.DataFrame) -> Envelope[Any]:
    first = part.row(0, named=True)
    data = ReceiptRecordedV1.model_validate(
        {
            "receipt_id": first["basket_id"],
            "store_id": first["store_id"],
            "terminal_id": "T1",
            "business_date": first["at"].date(),
            "sequence_number": 1,
            "currency": "USD",
            "kind": "sale",
            "lines": [
                {
                    "line_number": number,
                    "product_id": line["product_id"],
                    "quantity": str(int(line["quantity"])),
                    "unit_price_minor": line["amount_minor"],
                    "amount_minor": line["amount_minor"],
                }
                for number, line in enumerate(part.iter_rows(named=True), 1)
            ],
        }
    )
    return Envelope.of(
        data,
        event_id=UUID(first["basket_id"]),
        occurred_at=first["at"],
        received_at=first["at"],
        subject_id=UUID(first["customer_id"]),
        subject_kind="identified",
        source=Source(id="till", kind="pos"),
    )


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
    as_of = float(dataset.at.min()) + CUT_DAYS[0]
    return dataset, learn(dataset, assortment_of(dataset.product_ids, {}), as_of)


async def test_features_of_real_customers_are_the_same_in_serving_and_evaluation_bit_by_bit(
    stored: Database, learned: tuple[Dataset, Knowledge]
) -> None:
    dataset, knowledge = learned
    compared = 0
    for cut in (float(dataset.at.min()) + days for days in CUT_DAYS):
        for customer, customer_id in enumerate(dataset.customer_ids):
            offline = dataset.history(customer, cut)
            online = await _served_history(stored, UUID(customer_id), cut, knowledge)
            _assert_same(online, offline)
            if offline.products.size:
                assert _features(online, knowledge, customer, cut) == _features(offline, knowledge, customer, cut)
                compared += 1
    assert compared > 2 * HOUSEHOLDS


async def _served_history(database: Database, customer_id: UUID, cut: float, knowledge: Knowledge) -> History:
    async with database.session() as session:
        known = await customers.known(session, customer_id)
    past = Past(net_baskets([fact for fact in known.facts if days_since_epoch(fact.at) < cut]))
    return past.history(knowledge.assortment.index, knowledge.stores)


def _assert_same(online: History, offline: History) -> None:
    for name in History.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(online, name), getattr(offline, name), err_msg=name)


def _features(history: History, knowledge: Knowledge, customer: int, now: float) -> bytes:
    visit = prepare(history, knowledge, customer)
    assert features_at(visit, now, history.usual_store).size > features_at(visit, now).size
    return visit.candidates.tobytes() + features_at(visit, now, history.usual_store).tobytes()


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
