"""What requests share of an assortment is worked out before they come, and once."""

import numpy as np
import pytest

from services.recommend.assortment import assortment_of
from services.recommend.domain.exploration import Exploration
from services.recommend.domain.placements import PlacementSettings
from services.recommend.domain.products import Product
from services.recommend.domain.requests import Context, Filters, Placement, Request
from services.recommend.generators.promotions import Promotions
from services.recommend.model import untrained
from services.recommend.serving.ahead import work_out
from services.recommend.serving.goods import NEWEST_MAX, Goods
from services.recommend.serving.past import Past
from services.recommend.serving.policy import Policy
from services.recommend.serving.recommender import Recommender
from tests.unit.recommend.factories import catalogue, day, past_of, receipt

NOW = day(180)
PRODUCTS = catalogue(60)
ANN: Past = past_of([receipt("a", 170, "P001", "P002"), receipt("b", 175, "P001")])


def goods_of(**products: Product) -> Goods:
    return Goods(assortment_of(sorted(products), products))


@pytest.mark.parametrize("placement", list(Placement))
def test_no_request_works_out_what_was_warmed_up(placement: Placement) -> None:
    model = untrained(assortment_of(sorted(PRODUCTS), PRODUCTS))
    recommender = Recommender(model, {"S1": frozenset({"P001"})}, Promotions())
    work_out(recommender)
    shared = (recommender, recommender.goods, recommender.goods.names, recommender.shelf)
    before = [set(vars(each)) for each in shared]
    indexed = set(recommender.goods.names._by_part)
    exploring = {placement: PlacementSettings(exploration=Exploration())}
    policy = Policy((), exploring).over(recommender.goods)
    filters = Filters(categories=frozenset({"category 1"}), price_min_minor=1)
    recommender.recommend(Request(placement, Context(NOW, ("P003",), "S1"), filters=filters), ANN, policy)
    assert [set(vars(each)) for each in shared] == before
    assert set(recommender.goods.names._by_part) == indexed


def test_a_shelf_on_which_something_was_sold_takes_the_goods_over() -> None:
    model = untrained(assortment_of(sorted(PRODUCTS), PRODUCTS))
    first = Recommender(model)
    assert Recommender(model, {"S1": frozenset({"P001"})}, goods=first.goods).goods is first.goods


def test_the_newest_products_come_first_and_not_all_of_them() -> None:
    known = {f"P{n:04}": Product(f"P{n:04}", new_since=day(n % 700)) for n in range(NEWEST_MAX + 200)}
    goods = goods_of(**known, old=Product("old"))
    since = [moment for _, moment in goods.newest]
    assert len(since) == NEWEST_MAX
    assert since == sorted((p.new_since for p in known.values() if p.new_since), reverse=True)[:NEWEST_MAX]


def test_age_and_sale_are_columns_in_the_assortments_order() -> None:
    goods = goods_of(beer=Product("beer", min_age=18), fuel=Product("fuel", is_sellable=False))
    assert goods.min_age.tolist() == [18, 0]
    assert np.array_equal(goods.sellable, [True, False])
