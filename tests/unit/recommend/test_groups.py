"""Purchases grouped by every level at once, and what a level's rhythm is; what does not move with the moment."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of
from services.recommend.domain.products import Product
from services.recommend.history import History
from services.recommend.ranking import visits
from services.recommend.ranking.groups import NEVER_BASKETS, RHYTHM, groups_of, rhythm
from tests.unit.recommend.factories import past_of, receipt

KNOWN = {
    name: Product(name, product_type=kind, category="food" if kind else None)
    for name, kind in {"a": "milk", "b": "milk", "c": "bread", "d": None}.items()
}
ASSORTMENT = assortment_of(list(KNOWN), KNOWN)
BASKETS = st.lists(st.sets(st.sampled_from("abcd"), min_size=1), min_size=1, max_size=12)


def history_of(baskets: list[set[str]]) -> History:
    made = [receipt(f"R{n:02d}", 2 * n, *sorted(products)) for n, products in enumerate(baskets)]
    return past_of(made).history(ASSORTMENT.index, {"S1": 0})


def column(table: np.ndarray, name: str) -> np.ndarray:
    return table[:, RHYTHM.index(name)]


def test_keys_of_levels_are_never_shared_and_unknown_is_minus_one() -> None:
    keys = ASSORTMENT.keys
    assert keys[0].tolist() == [0, 1, 2, 3]
    assert keys[1].tolist() == [4, 4, 5, -1]
    assert keys[2].tolist() == [6, 6, 6, -1]
    assert (keys[3:] == -1).all()


def test_two_products_of_one_type_in_one_visit_are_one_purchase_of_it() -> None:
    history = history_of([{"a", "b"}, {"a"}, {"c"}])
    groups = groups_of(history, ASSORTMENT.keys)
    table, last_at = rhythm(history, groups)
    milk = groups.places(ASSORTMENT.keys[1])[0]
    assert column(table, "count")[milk] == 2
    assert column(table, "ago_baskets")[milk] == 1
    assert column(table, "gap_days")[milk] == pytest.approx(2.0)
    assert last_at[milk] == history.basket_at[1]


def test_what_was_never_bought_has_the_row_of_never() -> None:
    history = history_of([{"a"}])
    groups = groups_of(history, ASSORTMENT.keys)
    table, last_at = rhythm(history, groups)
    place = groups.places(ASSORTMENT.keys[0])[3]
    assert place == groups.size
    assert column(table, "ago_baskets")[place] == NEVER_BASKETS
    assert last_at[place] == -np.inf
    assert not groups.sums(np.ones((1, 2)))[place].any()


def test_empty_history_has_no_groups() -> None:
    history = past_of([]).history(ASSORTMENT.index, {})
    groups = groups_of(history, ASSORTMENT.keys)
    assert groups.size == 0
    assert groups.places(ASSORTMENT.keys).tolist() == np.zeros(ASSORTMENT.keys.shape).tolist()
    assert groups.sums(np.ones((0, 3))).tolist() == [[0.0, 0.0, 0.0]]


@given(baskets=BASKETS)
@settings(max_examples=60)
def test_sums_are_those_counted_by_hand(baskets: list[set[str]]) -> None:
    history = history_of(baskets)
    groups = groups_of(history, ASSORTMENT.keys)
    weight = np.arange(1.0, len(baskets) + 1)
    sums = groups.sums(weight[:, None])[:, 0]
    of_product, of_type = groups.places(ASSORTMENT.keys[0]), groups.places(ASSORTMENT.keys[1])
    for place, name in enumerate("abcd"):
        mine = [name in products for products in baskets]
        assert sums[of_product[place]] == pytest.approx(weight[mine].sum())
    milk = [bool(products & {"a", "b"}) for products in baskets]
    assert sums[of_type[0]] == pytest.approx(weight[milk].sum())


@given(baskets=BASKETS)
@settings(max_examples=30)
def test_rates_lie_between_none_and_every_visit(baskets: list[set[str]]) -> None:
    history = history_of(baskets)
    weights, totals = visits.decayed(history)
    rates = groups_of(history, ASSORTMENT.keys).sums(weights) / totals
    plain = [n for n, name in enumerate(visits.DECAYS) if not name.startswith("worth")]
    assert (rates[:, plain] >= 0).all()
    assert (rates[:, plain] <= 1 + 1e-9).all()


def test_visits_to_a_store_weigh_one_together_and_nothing_where_there_were_none() -> None:
    history = history_of([{"a"}, {"b"}, {"a"}])
    assert visits.in_store(history, 0).sum() == pytest.approx(1.0)
    assert visits.in_store(history, 0)[-1] > visits.in_store(history, 0)[0]
    assert not visits.in_store(history, 5).any()
