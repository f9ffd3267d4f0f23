"""The open basket: its generators, candidates and features, and the ranker learned from hidden products."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.assortment import Assortment
from services.recommend.domain.requests import Context, Placement, Request
from services.recommend.generators.basket_items import Companions, companions_of
from services.recommend.generators.item_vectors import ItemIndex, item_vectors
from services.recommend.history import Ints
from services.recommend.knowledge import Knowledge, learn
from services.recommend.model import Model, files_of, model_of
from services.recommend.ranking.in_basket import (
    BASKET_FEATURE_NAMES,
    BasketRanker,
    OpenBasket,
    basket_candidates,
    basket_features,
    open_basket,
)
from services.recommend.ranking.ranker import Examples, Ranker, fit, ranker_from_text
from services.recommend.ranking.rankers import Rankers
from services.recommend.serving.recommender import Recommender
from services.recommend.training.dataset import Dataset
from services.recommend.training.fitting import baskets_before
from services.recommend.training.in_basket import Judged, fit_in_basket, hidden_products, world_at
from tests.unit.recommend.factories import catalogue, dataset, past_of, receipts_of, town

World = tuple[Dataset, Assortment, Knowledge, Companions, float]


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


@pytest.fixture(scope="module")
def world() -> World:
    table, assortment = dataset(town())
    cut = float(np.floor(table.at.max())) - 28
    return table, assortment, learn(table, assortment, cut), companions_of(baskets_before(table, cut)), cut


def opened(world: World, *items: int, customer: int = 0, store: int = -1) -> OpenBasket:
    table, _, knowledge, companions, cut = world
    return open_basket(table.history(customer, cut), ints(*items), knowledge, companions, customer, cut, store)


def column(world: World, basket: OpenBasket, candidates: Ints, name: str) -> np.ndarray:
    rows = basket_features(basket, candidates, world[2])
    return rows[:, BASKET_FEATURE_NAMES.index(name)]


def test_own_trips_with_the_same_products_speak_for_what_else_was_in_them() -> None:
    """Two bought 1 with 2 and never with 3: with 1 in the basket 2 is expected, and 3 is not."""
    rows = [(0, n, product) for n in range(4) for product in ((1, 2) if n % 2 else (3, 4))]
    start = town().get_column("at").min()
    lines = pl.DataFrame(
        [(f"C{c}", f"B{b}", f"P{p}", "S", start) for c, b, p in rows],
        schema=["customer_id", "basket_id", "product_id", "store_id", "at"],
        orient="row",
    ).with_columns(pl.col("at") + pl.duration(days=pl.col("basket_id").str.slice(1).cast(pl.Int64)))
    table, assortment = dataset(lines)
    knowledge = learn(table, assortment, float(table.at.max()) + 1)
    companions = companions_of(baskets_before(table, knowledge.as_of))
    of = {name: n for n, name in enumerate(table.product_ids)}
    now = knowledge.as_of
    basket = open_basket(table.history(0, now), ints(of["P1"]), knowledge, companions, 0, now, -1)
    assert basket.same_trips[of["P2"]] == pytest.approx(1.0)
    assert basket.same_trips[of["P3"]] == 0


def test_candidates_are_distinct_and_not_in_the_basket(world: World) -> None:
    basket = opened(world, 3, 7)
    candidates = basket_candidates(basket, world[2])
    assert np.unique(candidates).size == candidates.size > 10
    assert not np.isin(candidates, [3, 7]).any()


def test_somebody_unknown_gets_candidates_and_finite_features(world: World) -> None:
    table, _, knowledge, companions, cut = world
    nobody = table.history(0, -np.inf)
    basket = open_basket(nobody, ints(3, 7), knowledge, companions, None, cut, -1)
    candidates = basket_candidates(basket, knowledge)
    rows = basket_features(basket, candidates, knowledge)
    named = np.array([not name.startswith("store.") and "price" not in name for name in BASKET_FEATURE_NAMES])
    assert candidates.size
    assert np.isfinite(rows[:, named]).all()


def test_store_columns_are_missing_where_the_store_is_not_known(world: World) -> None:
    basket = opened(world, 3, 7, store=0)
    candidates = basket_candidates(basket, world[2])
    assert np.isfinite(column(world, basket, candidates, "store.pop")).all()
    assert np.isnan(column(world, basket.without_store(), candidates, "store.pop")).all()


def test_share_of_the_basket_of_the_same_type_is_counted(world: World) -> None:
    """Types go round by fives: of 0, 5 and 1 in the basket two are of the type of 10."""
    basket = opened(world, 0, 5, 1)
    shares = column(world, basket, ints(10, 11, 12), "product_type.in_basket")
    assert shares.tolist() == pytest.approx([2 / 3, 1 / 3, 0])


@given(st.lists(st.integers(0, 59), max_size=30, unique=True), st.integers(0, 39), st.integers(-1, 2))
def test_any_basket_gives_one_row_for_each_candidate(items: list[int], customer: int, store: int) -> None:
    world = _shared_world()
    basket = opened(world, *items, customer=customer, store=store)
    candidates = basket_candidates(basket, world[2])
    rows = basket_features(basket, candidates, world[2])
    assert rows.shape == (candidates.size, len(BASKET_FEATURE_NAMES))
    assert rows.dtype == np.float32
    assert not np.isinf(rows).any()


def test_without_a_ranker_the_formula_orders(world: World) -> None:
    basket = opened(world, 3, 7)
    products, scores = BasketRanker().ranked(basket, world[2])
    assert np.all(np.diff(scores) <= 0)
    assert scores.tolist() == basket.formula[products].tolist()


def test_hidden_products_are_drawn_once_from_baskets_of_three(world: World) -> None:
    table, _, _, _, cut = world
    everything = np.ones(len(table.product_ids), np.bool_)
    found = hidden_products(table, cut, everything, 50)
    assert found == sorted(found, key=lambda each: each.target.basket)
    for each in found:
        products = table.basket(each.target.basket)
        assert products.size >= 3
        assert each.product not in each.shown
        assert sorted([each.product, *each.shown.tolist()]) == products.tolist()
        assert cut <= each.target.now < cut + 28
    again = hidden_products(table, cut, everything, 50)
    assert [each.product for each in again] == [each.product for each in found]


def test_what_may_not_be_asked_is_neither_hidden_nor_shown(world: World) -> None:
    table, _, _, _, cut = world
    allowed = np.arange(len(table.product_ids)) < 30
    for each in hidden_products(table, cut, allowed, 50):
        assert each.product < 30
        assert each.shown.max() < 30


def test_ranker_is_fitted_and_orders_all_candidates(world: World) -> None:
    table, assortment, knowledge, _, cut = world
    judged = fit_in_basket(world_at(table, assortment, cut - 28))
    assert judged is not None
    assert judged.places.size == judged.formula_places.size > 0
    assert {"basket.hit@10", "basket.mrr@20", "basket.hit@10_formula"} <= set(judged.metrics())
    basket = opened(world, 3, 7)
    products, scores = BasketRanker(judged.ranker).ranked(basket, knowledge)
    assert sorted(products.tolist()) == sorted(basket_candidates(basket, knowledge).tolist())
    assert np.all(np.diff(scores) <= 0)


def test_fitting_looks_at_nothing_after_its_moment(world: World) -> None:
    """The same ranker comes of data that end where the fit does."""
    table, assortment, _, _, cut = world
    lines = town()
    end = pl.lit(cut * 86_400e6).cast(pl.Int64)
    past, past_assortment = dataset(lines.filter(pl.col("at").dt.epoch("us") < end))
    assert past.product_ids == table.product_ids
    whole, part = (
        fit_in_basket(world_at(*each, cut - 28)) for each in ((table, assortment), (past, past_assortment))
    )
    assert whole is not None
    assert part is not None
    assert whole.ranker.to_text() == part.ranker.to_text()


def test_too_little_to_learn_from_is_none(world: World) -> None:
    table, assortment, _, _, _ = world
    assert fit_in_basket(world_at(table, assortment, float(table.at.max()) + 1)) is None


@pytest.mark.parametrize(("places", "formula", "is_kept"), [((0, 30), (30, 30), True), ((30, 30), (0, 30), False)])
def test_ranker_that_finds_less_than_the_formula_is_not_kept(
    places: tuple[int, ...], formula: tuple[int, ...], *, is_kept: bool
) -> None:
    ranker = ranker_from_text(_some_ranker().to_text())
    judged = Judged(ranker, ints(*places), ints(*formula))
    assert (judged.kept is ranker) == is_kept
    assert judged.served_places.tolist() == list(places if is_kept else formula)
    assert judged.metrics()["basket.mrr@20"].value == 0.5


def _some_ranker() -> Ranker:
    rows = np.zeros((40, 2), np.float32)
    return fit(Examples(rows, np.ones(40, np.float32), np.ones(40)), rounds=1)


def _shared_world() -> World:
    if not _WORLDS:
        table, assortment = dataset(town())
        cut = float(np.floor(table.at.max())) - 28
        _WORLDS.append(
            (table, assortment, learn(table, assortment, cut), companions_of(baskets_before(table, cut)), cut)
        )
    return _WORLDS[0]


_WORLDS: list[World] = []


def test_placement_basket_serves_what_the_ranker_orders(world: World) -> None:
    """A version's open-basket ranker, stored and read back, answers the placement by the code that trained it."""
    table, assortment, knowledge, companions, cut = world
    judged = fit_in_basket(world_at(table, assortment, cut - 28))
    assert judged is not None
    items = ItemIndex.of(item_vectors(baskets_before(table, cut), assortment))
    fitted = Model(knowledge, Rankers(), companions, items, in_basket=BasketRanker(judged.ranker))
    read = model_of(files_of(fitted), catalogue(60), "v1")
    now = datetime.fromtimestamp(cut * 86_400, UTC)
    past = past_of(receipts_of(town(), table.customer_ids[0], now))
    context = Context(now, items=("P003", "P007"), store_id="S0")
    asked = Request(Placement.BASKET, context, limit=20, customer_id=table.customer_ids[0])
    answer = Recommender(read).recommend(asked, past)
    store = knowledge.stores["S0"]
    basket = opened(world, *(assortment.index[name] for name in context.items), store=store)
    expected, scores = BasketRanker(judged.ranker).ranked(basket, knowledge)
    assert [item.product_id for item in answer.items] == [assortment.ids[product] for product in expected[:20]]
    assert [item.score for item in answer.items] == pytest.approx(scores[:20].tolist())
    assert answer.fallback_level == 0


def test_empty_basket_shows_what_the_customer_buys(world: World) -> None:
    table, assortment, knowledge, companions, cut = world
    model = Model(knowledge, Rankers(), companions, ItemIndex.of(item_vectors(None, assortment)))
    now = datetime.fromtimestamp(cut * 86_400, UTC)
    past = past_of(receipts_of(town(), table.customer_ids[0], now))
    asked = Request(Placement.BASKET, Context(now), customer_id=table.customer_ids[0])
    answer = Recommender(model).recommend(asked, past)
    assert answer.items
    assert {item.product_id for item in answer.items[:3]} <= set(past.products)
