"""A past read lazily is the same as the state folded at once, column by column and product by product."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of
from services.recommend.domain.facts import MILLIONTHS, Fact, net_baskets, net_receipts
from services.recommend.domain.purchases import KEPT_PRODUCTS
from services.recommend.domain.requests import Context, Filters, Placement, Request
from services.recommend.history import History
from services.recommend.model import untrained
from services.recommend.serving.past import Past
from services.recommend.serving.recommender import Recommender
from tests.unit.recommend.factories import catalogue, day
from tests.unit.recommend.folding import history_of, state_of

PRODUCTS = {name: number for number, name in enumerate("abcdef")}
STORES = {"S1": 0, "S2": 1}

facts = st.lists(
    st.builds(
        Fact,
        receipt_id=st.integers(0, 40).map(lambda number: f"r{number:02d}"),
        at=st.integers(0, 60).map(day),
        store_id=st.sampled_from(["S1", "S2", "S3"]),
        moved=st.dictionaries(
            st.sampled_from("abcdefgh"), st.integers(-2, 3).map(lambda units: units * MILLIONTHS), max_size=5
        ).map(lambda moved: list(moved.items())),
    ),
    max_size=30,
)


@given(facts)
def test_a_past_has_the_columns_and_products_of_the_folded_state(some: list[Fact]) -> None:
    past, state = Past(net_baskets(some)), state_of(net_receipts(some))
    lazily, folded = past.history(PRODUCTS, STORES), history_of(state, PRODUCTS, STORES)
    for name in History.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(lazily, name), getattr(folded, name), err_msg=name)
    assert past.basket_count == state.basket_count
    assert dict(past.products) == {name: own.own for name, own in state.products.items()}
    assert set(past.products) == {name for name in "abcdefgh" if name in past.products}
    assert len(past.products) == len(state.products)


@given(facts, st.lists(st.integers(0, 9), unique=True))
def test_a_history_finds_the_lines_of_some_products(some: list[Fact], asked: list[int]) -> None:
    history, products = Past(net_baskets(some)).history(PRODUCTS, STORES), np.array(asked, np.int64)
    assert history.holds(products).tolist() == [product in history.products for product in asked]
    lines = [line for product in asked for line in np.flatnonzero(history.product == product)]
    assert history.lines_of(products).tolist() == lines


def test_nobodys_past_is_empty() -> None:
    assert Past().basket_count == 0
    assert not Past().products
    assert Past().history(PRODUCTS, STORES).products.size == 0


@pytest.mark.parametrize(("excluded", "kept"), [("none", KEPT_PRODUCTS + 60), ("all", 10), ("recent:1000d", 10)])
def test_excluding_what_was_bought_reaches_beyond_the_products_that_ranking_keeps(excluded: str, kept: int) -> None:
    known = catalogue(KEPT_PRODUCTS + 60)
    recommender = Recommender(untrained(assortment_of(sorted(known), known)))
    bought = sorted(known)[10:]
    past = Past([(Fact(f"r{n}", day(n), "S1", [(name, 1)]), {name: 1}) for n, name in enumerate(bought)])
    now = day(len(bought)) + timedelta(hours=1)
    shown: set[str] = set()
    while True:
        filters = Filters(exclude_purchased=excluded, exclude_ids=frozenset(shown))
        answer = recommender.recommend(Request(Placement.TRENDING, Context(now), 100, filters), past)
        if not answer.items:
            break
        shown |= {item.product_id for item in answer.items}
    assert len(shown) == kept
