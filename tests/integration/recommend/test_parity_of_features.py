"""What serving gives its rankers is what training gives them, bit by bit, for 200 real customers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import numpy as np
import polars as pl
import pytest

from regulars.datasets import completejourney
from services.recommend.assortment import Assortment, assortment_of
from services.recommend.domain.products import Product
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.domain.requests import Context, Placement, Request
from services.recommend.history import Floats, History, Matrix
from services.recommend.knowledge import learn
from services.recommend.ranking.candidates import candidates_of
from services.recommend.ranking.features import FEATURE_NAMES, STORE_NAMES, features_at, prepared
from services.recommend.ranking.in_basket import BASKET_FEATURE_NAMES, basket_candidates, basket_features
from services.recommend.ranking.net import Nets
from services.recommend.ranking.ranker import Ranker
from services.recommend.ranking.rankers import Rankers, Ranking
from services.recommend.ranking.shoppers import shopper_of
from services.recommend.serving.customers import Customers
from services.recommend.serving.histories import Histories
from services.recommend.serving.past import Past
from services.recommend.serving.recommender import Recommender
from services.recommend.store import customers
from services.recommend.training.dataset import Dataset, dataset_of
from services.recommend.training.fitting import assembled
from services.recommend.training.in_basket import Hidden, World
from services.recommend.training.origins import Target
from shared.db import Database
from tests.integration.recommend.conftest import apply
from tests.integration.recommend.real_receipts import real_lines, sales_of

pytestmark = pytest.mark.postgres
HOUSEHOLDS = 310
CUSTOMERS = 200
DAYS = (230, 305)
AS_OF_DAY = 293.0
CUT_DAYS = (293.0, 286.5, 272.25)
SHOWN = 3


@dataclass
class Recording:
    """In the place of a fitted ranker: keeps what it is given."""

    width: int
    given: list[Matrix] = field(default_factory=list)

    def score(self, features: Matrix) -> Floats:
        assert features.shape[1] == self.width
        self.given.append(features)
        return np.zeros(features.shape[0])

    def taken(self) -> Matrix:
        (found,) = self.given
        self.given.clear()
        return found


@dataclass(frozen=True)
class Shop:
    """Everything learned of real receipts; the rankers only record."""

    dataset: Dataset
    recommender: Recommender
    strict: Recording
    in_store: Recording
    in_basket: Recording

    @property
    def world(self) -> World:
        return World(self.dataset, self.recommender.knowledge, self.recommender.model.companions)


@dataclass(frozen=True)
class Case:
    """A customer at a moment, the basket they bought next, and the store it was bought in."""

    customer: int
    at: datetime
    basket: int
    store: int

    @property
    def now(self) -> float:
        return days_since_epoch(self.at)


@pytest.fixture(scope="module")
def lines() -> pl.DataFrame:
    return real_lines(HOUSEHOLDS).filter(pl.col("day").is_between(*DAYS))


def assortment_from(product_ids: Sequence[str]) -> Assortment:
    rows = completejourney.load(1).products.iter_rows(named=True)
    known = {
        row["product_id"]: Product(
            row["product_id"],
            department=row["department"],
            category=row["product_category"],
            product_type=row["product_type"],
            brand=row["manufacturer_id"],
        )
        for row in rows
    }
    return assortment_of(product_ids, known)


@pytest.fixture(scope="module")
def shop(lines: pl.DataFrame) -> Shop:
    dataset = dataset_of(lines)
    since = float(np.floor(dataset.at.min())) - DAYS[0]
    knowledge = learn(dataset, assortment_from(dataset.product_ids), since + AS_OF_DAY)
    strict, in_store = Recording(len(FEATURE_NAMES)), Recording(len(FEATURE_NAMES) + len(STORE_NAMES))
    in_basket = Recording(len(BASKET_FEATURE_NAMES))
    rankers = Rankers(Ranking(cast("Nets", strict)), Ranking(cast("Nets", in_store)))
    model = assembled(dataset, knowledge, rankers, cast("Ranker", in_basket), ease_products=300)
    return Shop(dataset, Recommender(model), strict, in_store, in_basket)


@pytest.fixture(scope="module")
def cases(shop: Shop, lines: pl.DataFrame) -> list[Case]:
    """Two hundred customers, each at one of three moments, with history before it and a basket after it."""
    midnight = min(lines["at"]).replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for customer in range(len(shop.dataset.customer_ids)):
        at = midnight + timedelta(days=CUT_DAYS[customer % len(CUT_DAYS)] - DAYS[0])
        known = shop.dataset.basket_count_before(customer, days_since_epoch(at))
        basket = int(shop.dataset.basket_starts[customer]) + known
        if known and basket < shop.dataset.basket_starts[customer + 1]:
            found.append(Case(customer, at, basket, int(shop.dataset.store[basket])))
    return found[:CUSTOMERS]


@pytest.fixture
async def stored(migrated: Database, lines: pl.DataFrame) -> Database:
    """The database after all receipts, the later ones first."""
    newest_first = sorted(sales_of(lines), key=lambda sale: sale.occurred_at, reverse=True)
    for start in range(0, len(newest_first), 300):
        await apply(migrated, newest_first[start : start + 300])
    return migrated


async def test_both_rankers_are_given_the_same_for_200_customers_with_the_store_and_without(
    stored: Database, shop: Shop, cases: list[Case]
) -> None:
    kept, histories = Customers(HOUSEHOLDS), Histories(stored, 60.0)
    stores = 0
    for case in cases:
        past = await _past(stored, kept, histories, shop, case)
        _assert_same(_history(shop, past), shop.dataset.history(case.customer, case.now))
        assert _next_basket_served(shop, case, past) == _next_basket_learned(shop, case)
        assert _open_basket_served(shop, case, past) == _open_basket_learned(shop, case)
        stores += case.store >= 0
    assert len({case.customer for case in cases}) == CUSTOMERS
    assert {case.at for case in cases} == {case.at for case in cases[: len(CUT_DAYS)]}
    assert stores > CUSTOMERS / 2


async def _past(database: Database, kept: Customers, histories: Histories, shop: Shop, case: Case) -> Past:
    """Return the past as an API process remembers it, which is also that which the database tells."""
    customer_id = UUID(shop.dataset.customer_ids[case.customer])
    async with database.session() as session:
        (known,) = await customers.known_of(session, [customer_id])
    before = [fact for fact in known.facts if fact.at < case.at]
    kept.replace([customer_id], [replace(known, facts=before)])
    remembered = kept.find(customer_id)
    read = await histories.own(customer_id, None, case.at)
    assert remembered is not None
    assert read is not None
    _assert_same(_history(shop, kept.past(remembered)), _history(shop, read.past))
    return kept.past(remembered)


def _history(shop: Shop, past: Past) -> History:
    knowledge = shop.recommender.knowledge
    return past.history(knowledge.assortment.index, knowledge.stores)


def _assert_same(one: History, other: History) -> None:
    for name in History.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def _request(shop: Shop, case: Case, placement: Placement, store: int, items: tuple[str, ...] = ()) -> Request:
    store_id = shop.recommender.knowledge.store_ids[store] if store >= 0 else None
    context = Context(case.at, items, store_id)
    return Request(placement, context, customer_id=shop.dataset.customer_ids[case.customer])


def _next_basket_served(shop: Shop, case: Case, past: Past) -> list[bytes]:
    given = []
    for store, ranker in ((-1, shop.strict), (case.store, shop.in_store if case.store >= 0 else shop.strict)):
        shop.recommender.recommend(_request(shop, case, Placement.FOR_YOU, store), past)
        given.append(ranker.taken().tobytes())
    return given


def _next_basket_learned(shop: Shop, case: Case) -> list[bytes]:
    """As `training.examples` does."""
    knowledge = shop.recommender.knowledge
    history = shop.dataset.history(case.customer, case.now)
    shopper = shopper_of(history, knowledge, case.customer)
    visit = prepared(shopper, candidates_of(shopper, knowledge.popularity), knowledge)
    return [features_at(visit, case.now, store).tobytes() for store in (-1, case.store)]


def _open_basket_served(shop: Shop, case: Case, past: Past) -> list[bytes]:
    names = shop.recommender.assortment.ids
    items = tuple(names[product] for product in shop.dataset.basket(case.basket)[:SHOWN].tolist())
    given = []
    for store in (-1, case.store):
        shop.recommender.recommend(_request(shop, case, Placement.BASKET, store, items), past)
        given.append(shop.in_basket.taken().tobytes())
    return given


def _open_basket_learned(shop: Shop, case: Case) -> list[bytes]:
    shown = shop.dataset.basket(case.basket)[:SHOWN]
    hidden = Hidden(Target(case.customer, case.basket, case.now), -1, shown)
    opened = shop.world.opened([hidden, hidden], np.array([-1, case.store]))
    knowledge = shop.recommender.knowledge
    return [
        basket_features(basket, basket_candidates(basket, knowledge), knowledge).tobytes() for _, basket in opened
    ]


def test_the_comparison_would_notice_one_day_more(shop: Shop, cases: list[Case]) -> None:
    """What is compared hangs on the moment: a day later hardly any bytes are the same."""
    case: Any = cases[0]
    later = replace(case, at=case.at + timedelta(days=1))
    assert _next_basket_learned(shop, case) != _next_basket_learned(shop, later)
    assert _open_basket_learned(shop, case) != _open_basket_learned(shop, later)
