"""What is to be expected of the products on a list is what would be expected of them among all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.assortment import type_keys, type_names
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.generators.rhythm import Rhythms
from services.recommend.serving.outlook import outlooks
from services.recommend.training.rhythm import learned_rhythms
from tests.unit.recommend.factories import dataset, day, town

LINES, NOW = dataset(town()), days_since_epoch(day(150))


@pytest.fixture(scope="module")
def rhythms() -> Rhythms:
    lines, goods = LINES
    names = type_names(goods)
    found = learned_rhythms(lines, type_keys(goods, names), len(names), NOW).products
    assert found is not None
    return found


@given(customer=st.integers(0, 39), shown=st.sets(st.integers(0, 70), max_size=10))
def test_an_outlook_does_not_depend_on_what_else_is_shown(rhythms: Rhythms, customer: int, shown: set[int]) -> None:
    lines, goods = LINES
    history = lines.history(customer, NOW)
    of_all = outlooks(history, history.products, rhythms, NOW, goods)
    some = outlooks(history, np.array(sorted(shown), np.int64), rhythms, NOW, goods)
    own = {goods.products[product].product_id for product in shown & set(history.products.tolist())}
    assert some.keys() == own
    assert some == {name: of_all[name] for name in own}


def test_of_nothing_bought_nothing_is_expected(rhythms: Rhythms) -> None:
    lines, goods = LINES
    assert outlooks(lines.history(0, NOW), np.empty(0, np.int64), rhythms, NOW, goods) == {}
    assert outlooks(lines.history(0, 0.0), np.array([1, 2]), rhythms, NOW, goods) == {}
