"""Who is new, what is new, what is due of a type, what is on offer: lists from little."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of
from services.recommend.domain.products import Product
from services.recommend.domain.promotions import PricePeriod
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.domain.reasons import ReasonCode
from services.recommend.domain.requests import Answer, Context, Filters, Placement, Request, Source
from services.recommend.generators.promotions import Promotions
from services.recommend.model import Model, files_of, model_of, with_catalogue
from services.recommend.serving.past import Past
from services.recommend.serving.recommender import Recommender
from services.recommend.serving.stand_ins import DueType, stand_ins
from services.recommend.training.fitting import train
from tests.unit.recommend.factories import catalogue, dataset, day, past_of, receipt, receipts_of, town

LINES = town()
NOW = day(180)
NEW = Product("NEW", name="New", department="GROCERY", category="category 1", product_type="type 3", brand="brand 0")
PRODUCTS = catalogue(60) | {"NEW": NEW}
OFFER = [PricePeriod("P020", None, 300, day(0)), PricePeriod("P020", None, 150, day(170), day(190))]


@pytest.fixture(scope="module")
def model() -> Model:
    return with_catalogue(train(*dataset(LINES), days_since_epoch(NOW)), PRODUCTS)


@pytest.fixture(scope="module")
def shop(model: Model) -> Recommender:
    return Recommender(model, None, Promotions(OFFER))


def ask(placement: Placement, *items: str, limit: int = 10, store: str | None = None, **changes: object) -> Request:
    request = Request(placement, Context(NOW, items=items, store_id=store), limit=limit)
    return replace(request, **changes)  # type: ignore[arg-type]


def test_a_product_on_offer_that_is_not_listed_is_no_candidate(model: Model) -> None:
    unlisted = [replace(each, product_id="NOWHERE") for each in OFFER]
    shelves = Recommender(model, None, Promotions([*unlisted, *OFFER])).shelves
    span = shelves.promotions.span(None, NOW)
    assert span is not None
    assert shelves.promoted(span).tolist() == [model.knowledge.assortment.index["P020"]]
    assert shelves.promoted(span) is shelves.promoted(span)


def of_source(answer: Answer, source: Source) -> list[str]:
    return [item.product_id for item in answer.items if item.source is source]


def test_an_open_session_of_somebody_unknown_shapes_the_list(shop: Recommender) -> None:
    nothing, session = (shop.recommend(ask(Placement.FOR_YOU, *items)) for items in ((), ("P004", "P005")))
    assert not of_source(nothing, Source.SESSIONS)
    assert of_source(session, Source.SESSIONS)
    assert [item.product_id for item in nothing.items] != [item.product_id for item in session.items]


def test_a_known_customer_keeps_their_own_list_whatever_is_open(shop: Recommender) -> None:
    mine = past_of(receipts_of(LINES, "C000", NOW))
    one, two = (shop.recommend(ask(Placement.FOR_YOU, *items), mine) for items in ((), ("P004", "P005")))
    assert one.items == two.items


def test_one_open_product_of_somebody_unknown_is_completed_by_baskets_like_it(shop: Recommender) -> None:
    basket, list_of_session = (shop.recommend(ask(each, "P004")) for each in (Placement.BASKET, Placement.FOR_YOU))
    found = of_source(basket, Source.SESSIONS)
    assert found
    assert found == of_source(list_of_session, Source.SESSIONS)
    assert [item.product_id for item in basket.items][: len(found)] == found


@pytest.mark.parametrize(("opened", "bought"), [(("P004", "P005"), False), (("P004",), True), ((), False)])
def test_an_open_basket_of_which_more_is_known_is_ranked(
    shop: Recommender, opened: tuple[str, ...], *, bought: bool
) -> None:
    mine = past_of(receipts_of(LINES, "C000", NOW)) if bought else None
    answer = shop.recommend(ask(Placement.BASKET, *opened), mine)
    assert answer.items[0].source is not Source.SESSIONS


def test_who_bought_once_gets_that_and_more(shop: Recommender) -> None:
    answer = shop.recommend(ask(Placement.FOR_YOU), past_of([receipt("R1", 170, "P001")]))
    assert "P001" in {item.product_id for item in answer.items}
    assert len(answer.items) == 10


def test_bought_together_asks_rules_before_what_goes_together(shop: Recommender, model: Model) -> None:
    index = model.knowledge.assortment.index
    opened = model.knowledge.assortment.ids[int(np.argmax(np.diff(model.associations.indptr)))]
    answer = shop.recommend(ask(Placement.BOUGHT_TOGETHER, opened))
    assert answer.items[0].source is Source.ASSOCIATIONS
    scores = model.associations.scores(np.array([index[opened]]), len(model.knowledge.assortment))
    assert scores[index[answer.items[0].product_id]] == scores.max()


def test_a_product_nobody_bought_is_similar_to_its_kind(shop: Recommender) -> None:
    found = shop.recommend(ask(Placement.SIMILAR, "NEW", limit=5))
    assert {PRODUCTS[item.product_id].product_type for item in found.items} == {"type 3"}
    assert len(of_source(found, Source.VECTORS)) == 5
    back = shop.recommend(ask(Placement.SIMILAR, "P003", limit=60))
    assert "NEW" in of_source(back, Source.VECTORS)


def test_an_offer_is_told_while_it_runs(shop: Recommender) -> None:
    told = {item.product_id: item.reason for item in shop.recommend(ask(Placement.FOR_YOU, limit=60)).items}
    assert told["P020"].code is ReasonCode.ON_OFFER
    assert told["P020"].params["percent"] == 50
    assert told["P020"].text == "50 % off its usual price"
    assert sum(each.code is ReasonCode.ON_OFFER for each in told.values()) == 1


@pytest.mark.parametrize(("at", "is_on"), [(169.9, False), (170, True), (189.9, True), (190, False)])
def test_an_offer_that_is_over_is_not_told(shop: Recommender, at: float, *, is_on: bool) -> None:
    request = Request(Placement.FOR_YOU, Context(day(at)), limit=60)
    codes = {item.product_id: item.reason.code for item in shop.recommend(request).items}
    assert (codes["P020"] is ReasonCode.ON_OFFER) is is_on


def test_an_offer_is_a_candidate_of_a_known_customer(shop: Recommender) -> None:
    mine = past_of(receipts_of(LINES, "C000", NOW))
    answer = shop.recommend(ask(Placement.DISCOVER, limit=60), mine)
    if "P020" not in mine.products:
        assert "P020" in {item.product_id for item in answer.items}


def test_baskets_that_hold_both_are_counted_in_the_reason(model: Model) -> None:
    rules = model.associations
    product = int(np.argmax(np.diff(rules.indptr)))
    other = int(rules.others[rules.of(product)][0])
    ids = model.knowledge.assortment.ids
    found = Recommender(model).recommend(ask(Placement.BOUGHT_TOGETHER, ids[product], limit=60))
    told = {item.product_id: item.reason for item in found.items}[ids[other]]
    assert told.code is ReasonCode.IN_BASKETS_WITH
    assert told.params["of_ten"] == int(10 * rules.share(product, other))


DUE = {0: DueType(9.0, 11.0, 0.6), 1: DueType(30.0, 31.0, 0.3)}
SHELF = assortment_of(
    ["a", "b", "c", "d"],
    {
        "a": Product("a", product_type="milk", brand="farm"),
        "b": Product("b", product_type="milk", brand="dairy"),
        "c": Product("c", product_type="milk", brand="farm"),
        "d": Product("d", product_type="tea", brand="leaf"),
    },
)


def chosen(
    *, own: list[int], promoted: list[int] | None = None, gone: list[int] | None = None, popular: int = 1
) -> list[int]:
    allowed = np.ones(4, np.bool_)
    allowed[gone or []] = False
    popularity = np.zeros(4)
    popularity[popular] = 0.1
    keys = np.array([0, 0, 0, 1])
    found, _ = stand_ins(
        DUE, keys, SHELF, np.array(own, np.int64), popularity, np.array(promoted or [], np.int64), allowed
    )
    return [int(product) for product in found]


def test_a_due_type_whose_usual_product_is_there_needs_no_stand_in() -> None:
    assert chosen(own=[0, 3]) == []


def test_the_usual_brand_stands_in_before_an_offer_before_what_is_popular() -> None:
    assert chosen(own=[0, 3], gone=[0]) == [2]
    assert chosen(own=[0, 3], gone=[0], promoted=[1]) == [2]
    assert chosen(own=[0, 3], gone=[0, 2]) == [1]
    assert chosen(own=[3], popular=1) == [1]
    assert chosen(own=[3], popular=1, promoted=[2]) == [2]


def test_a_due_type_is_shown_where_the_usual_product_is_missing(model: Model) -> None:
    """Tea every ten days, and not that tea: another product of its type stands in, once."""
    regular = past_of(
        [receipt(f"R{n}", at, "P003") for n, at in enumerate(range(100, 171, 10))] + [receipt("R", 160, "P001")]
    )
    usual = Recommender(model).recommend(ask(Placement.BUY_AGAIN, limit=5), regular)
    assert not of_source(usual, Source.DUE_TYPES)
    without = Filters(exclude_ids=frozenset({"P003"}))
    answer = Recommender(model).recommend(ask(Placement.BUY_AGAIN, limit=5, filters=without), regular)
    stood_in = of_source(answer, Source.DUE_TYPES)
    assert [PRODUCTS[name].product_type for name in stood_in] == ["type 3"]
    told = next(item.reason for item in answer.items if item.product_id == stood_in[0])
    assert told.code is ReasonCode.DUE_TYPE
    assert told.text == "you usually buy type 3 every 10 days, last 10 days ago"


def test_the_most_probable_type_comes_first_and_an_empty_shelf_offers_nothing() -> None:
    assert chosen(own=[0, 3], gone=[0, 3]) == [2]
    assert chosen(own=[], popular=1) == [1, 3]


@pytest.mark.parametrize("placement", list(Placement))
def test_without_a_profile_two_customers_get_the_same_to_the_last_byte(
    shop: Recommender, placement: Placement
) -> None:
    asked = ask(placement, "P004", personalized=False)
    answers = [
        shop.recommend(replace(asked, customer_id=name), past_of(receipts_of(LINES, name, NOW)))
        for name in ("C000", "C001")
    ]
    assert repr(answers[0]) == repr(answers[1]) == repr(shop.recommend(asked, Past()))


pasts = st.lists(
    st.tuples(st.integers(0, 179), st.sets(st.sampled_from(sorted(PRODUCTS)), min_size=1, max_size=8)), max_size=12
).map(lambda made: past_of([receipt(f"R{n}", at, *sorted(bought)) for n, (at, bought) in enumerate(made)]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pasts,
    pasts,
    st.sampled_from(Placement),
    st.lists(st.sampled_from(sorted(PRODUCTS)), max_size=3),
    st.sampled_from([None, "S0", "S1"]),
    st.sampled_from(["none", "all", "recent:7d"]),
)
def test_whatever_two_customers_bought_the_impersonal_list_is_one(
    shop: Recommender, one: Past, two: Past, placement: Placement, items: list[str], store: str | None, bought: str
) -> None:
    asked = ask(placement, *items, store=store, personalized=False, filters=Filters(exclude_purchased=bought))
    first, second = (
        shop.recommend(replace(asked, customer_id=name), past) for name, past in (("C000", one), ("C003", two))
    )
    assert repr(first) == repr(second)


def test_a_stored_version_brings_back_everything_it_learned(model: Model) -> None:
    read = model_of(files_of(model), PRODUCTS, "V1")
    assert read.type_names == tuple(model.type_names)
    assert read.rhythms.products is not None
    assert model.rhythms.products is not None
    assert np.array_equal(read.rhythms.products.weights, model.rhythms.products.weights)
    assert np.array_equal(read.sessions.products, model.sessions.products)
    assert np.array_equal(read.associations.others, model.associations.others)


def test_a_version_from_before_these_tables_goes_on_without_them(model: Model) -> None:
    old = replace(model, rhythms=type(model.rhythms)(), type_names=())
    read = model_of(files_of(old), PRODUCTS, "V0")
    assert read.rhythms.products is None
    answer = Recommender(read).recommend(ask(Placement.BUY_AGAIN), past_of(receipts_of(LINES, "C000", NOW)))
    assert answer.items
