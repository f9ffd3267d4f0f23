"""Placements: never empty while a product is sellable, never against a filter."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.recommend import history
from services.recommend.assortment import assortment_of
from services.recommend.domain.products import Product
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.domain.reasons import ReasonCode
from services.recommend.domain.requests import (
    Answer,
    Context,
    Filters,
    InvalidRequestError,
    Placement,
    Request,
    Source,
    without_repeats,
)
from services.recommend.model import untrained, with_catalogue
from services.recommend.ranking.candidates import candidates_of
from services.recommend.ranking.features import prepared
from services.recommend.serving.past import Past
from services.recommend.serving.recommender import Recommender
from services.recommend.training.fitting import train
from services.recommend.training.origins import origin_at, shoppers
from tests.unit.recommend.factories import catalogue, dataset, day, past_of, receipt, receipts_of, town

LINES = town()
CUT_AT = day(150)
PRODUCTS = {
    **catalogue(64),
    "P061": Product("P061", category="wine", price_minor=900, min_age=18),
    "P062": Product("P062", category="category 0", is_sellable=False),
    "P063": Product("P063"),
}
OUT = {"S0": frozenset({"P001", "P002", "P003"})}


@pytest.fixture(scope="module")
def trained() -> Recommender:
    model = train(*dataset(LINES), days_since_epoch(CUT_AT))
    return Recommender(with_catalogue(model, PRODUCTS), OUT)


@pytest.fixture(scope="module")
def blank() -> Recommender:
    return Recommender(untrained(assortment_of(sorted(PRODUCTS), PRODUCTS)), OUT)


@pytest.fixture(scope="module")
def regular() -> Past:
    return past_of(receipts_of(LINES, "C000", CUT_AT))


def request(placement: Placement = Placement.FOR_YOU, **changes: object) -> Request:
    context = Context(CUT_AT, items=("P004", "P005"))
    return replace(Request(placement, context, customer_id="C000"), **changes)  # type: ignore[arg-type]


filters = st.builds(
    Filters,
    in_stock=st.booleans(),
    categories=st.frozensets(st.sampled_from(["category 0", "category 1", "type 3", "wine", "nonsense"]), max_size=2),
    price_min_minor=st.none() | st.integers(0, 400),
    price_max_minor=st.none() | st.integers(400, 900),
    exclude_ids=st.frozensets(st.sampled_from(sorted(PRODUCTS)), max_size=60),
    exclude_purchased=st.sampled_from(["none", "all", "recent:30d"]),
)
requests = st.builds(
    Request,
    placement=st.sampled_from(Placement),
    context=st.builds(
        Context,
        now=st.just(CUT_AT),
        items=st.lists(st.sampled_from([*sorted(PRODUCTS), "unheard of"]), max_size=4).map(tuple),
        store_id=st.sampled_from([None, "S0", "S1", "nowhere"]),
    ),
    limit=st.integers(1, 30),
    filters=filters,
    customer_id=st.sampled_from([None, "C000", "stranger"]),
    customer_age=st.sampled_from([None, 17, 40]),
    personalized=st.booleans(),
)


def permitted(asked: Request, state: Past) -> set[str]:
    """The products that may be shown, by an independent reading of the rules."""
    own = state.products if asked.personalized else {}
    return {
        name for name, product in PRODUCTS.items() if _may_show(asked, product) and _not_bought(asked, own.get(name))
    }


def _may_show(asked: Request, product: Product) -> bool:
    wanted, context = asked.filters, asked.context
    by_items = asked.placement in {
        Placement.SIMILAR,
        Placement.BASKET,
        Placement.BOUGHT_TOGETHER,
        Placement.SUBSTITUTES,
    }
    price = product.price_minor
    return (
        product.is_sellable
        and product.product_id not in wanted.exclude_ids
        and not (by_items and product.product_id in context.items)
        and not (wanted.in_stock and product.product_id in OUT.get(context.store_id or "", ()))
        and (product.min_age is None or (asked.customer_age or 0) >= product.min_age)
        and (not wanted.categories or bool({product.category, product.product_type} & wanted.categories))
        and (wanted.price_min_minor is None or (price is not None and price >= wanted.price_min_minor))
        and (wanted.price_max_minor is None or (price is not None and price <= wanted.price_max_minor))
    )


def _not_bought(asked: Request, own: object) -> bool:
    if own is None or asked.filters.exclude_purchased == "none":
        return True
    if asked.filters.exclude_purchased == "all":
        return False
    last_at = own.last_at  # type: ignore[attr-defined]
    return bool((CUT_AT - last_at).total_seconds() >= 30 * 86_400)


@given(asked=requests, flags=st.tuples(st.booleans(), st.booleans()))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lists_are_full_and_no_filter_is_ever_violated(
    trained: Recommender,
    blank: Recommender,
    regular: Past,
    asked: Request,
    flags: tuple[bool, bool],
) -> None:
    has_state, is_trained = flags
    state = regular if has_state else Past()
    answer = (trained if is_trained else blank).recommend(asked, state)
    allowed = permitted(asked, state)
    shown = [item.product_id for item in answer.items]
    assert set(shown) <= allowed
    assert len(set(shown)) == len(shown)
    assert [item.rank for item in answer.items] == list(range(1, len(shown) + 1))
    assert all(item.reason.text for item in answer.items)
    bought = set(state.products) if asked.personalized and asked.placement is Placement.DISCOVER else set()
    assert len(shown) == min(asked.limit, len(allowed - bought))


def test_serving_gives_the_list_that_evaluation_measures(trained: Recommender) -> None:
    many, _ = dataset(LINES)
    knowledge = trained.knowledge
    for target, shopper in list(shoppers(many, knowledge, origin_at(many, days_since_epoch(CUT_AT))))[:10]:
        customer = many.customer_ids[target.customer]
        visit = prepared(shopper, candidates_of(shopper, knowledge.popularity), knowledge)
        order = np.argsort(-trained.model.rankers.scores(visit, target.now, -1), kind="stable")
        batch = [knowledge.assortment.ids[visit.candidates[n]] for n in order]
        asked = request(customer_id=customer, limit=20, customer_age=40)
        served = trained.recommend(asked, past_of(receipts_of(LINES, customer, CUT_AT)))
        ranked = [item.product_id for item in served.items if item.source is Source.RANKED]
        assert ranked == [name for name in batch if PRODUCTS[name].is_sellable][: len(ranked)]
        assert len(ranked) >= 10


def test_buy_again_shows_own_products_with_their_rhythm(trained: Recommender, regular: Past) -> None:
    answer = trained.recommend(request(Placement.BUY_AGAIN, limit=5), regular)
    assert {item.product_id for item in answer.items} <= set(regular.products)
    assert answer.fallback_level == 0
    assert ReasonCode.DUE in {item.reason.code for item in answer.items}


def test_discover_shows_only_what_was_never_bought(trained: Recommender, regular: Past) -> None:
    answer = trained.recommend(request(Placement.DISCOVER, limit=10), regular)
    assert not {item.product_id for item in answer.items} & set(regular.products)


def test_discover_hides_even_products_that_ranking_leaves_out(
    trained: Recommender, regular: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "KEPT_PRODUCTS", 2)
    answer = trained.recommend(request(Placement.DISCOVER, limit=30), regular)
    assert len(regular.products) > 2
    assert not {item.product_id for item in answer.items} & set(regular.products)


def test_unknown_customer_gets_popular_products(trained: Recommender) -> None:
    answer = trained.recommend(request(customer_id=None, context=Context(CUT_AT)))
    assert answer.fallback_level == 3
    assert {item.source for item in answer.items} == {Source.POPULAR}


def test_unknown_customer_in_a_known_store_gets_the_store_top(trained: Recommender) -> None:
    answer = trained.recommend(request(customer_id=None, context=Context(CUT_AT, store_id="S1")))
    assert {item.reason.code for item in answer.items} == {ReasonCode.POPULAR_IN_STORE}


def test_not_personalised_is_the_same_for_everybody(trained: Recommender, regular: Past) -> None:
    asked = request(personalized=False)
    assert trained.recommend(asked, regular) == trained.recommend(replace(asked, customer_id=None))


def test_new_receipt_changes_the_very_next_list(trained: Recommender) -> None:
    after = past_of([receipt("R1", 100, "P007"), receipt("R2", 149, "P009")])
    shown = [item.product_id for item in trained.recommend(request(Placement.BUY_AGAIN, limit=2), after).items]
    assert set(shown) == {"P007", "P009"}


def test_similar_names_the_product_it_is_similar_to(trained: Recommender) -> None:
    answer = trained.recommend(request(Placement.SIMILAR, context=Context(CUT_AT, items=("P004",))))
    assert answer.items[0].reason.text == "similar to Product 4"


def test_new_product_has_similar_ones_by_its_attributes(trained: Recommender) -> None:
    answer = trained.recommend(request(Placement.SIMILAR, context=Context(CUT_AT, items=("P060",)), limit=3))
    assert {PRODUCTS[item.product_id].product_type for item in answer.items} == {"type 0"}


def test_basket_adds_the_customers_own_rate(trained: Recommender, regular: Past) -> None:
    mine = trained.recommend(request(Placement.BASKET, limit=10), regular)
    anybody = trained.recommend(request(Placement.BASKET, limit=10, customer_id=None))
    assert mine.items != anybody.items
    assert {item.product_id for item in mine.items} & set(regular.products)


def test_untrained_service_still_ranks_own_purchases(blank: Recommender, regular: Past) -> None:
    answer = blank.recommend(request(limit=3), regular)
    assert {item.product_id for item in answer.items} <= set(regular.products)


def test_age_restricted_product_is_hidden_from_someone_unknown(trained: Recommender) -> None:
    wine = Filters(categories=frozenset({"wine"}))
    assert trained.recommend(request(filters=wine)).items == ()
    assert trained.recommend(request(filters=wine, customer_age=18)).items[0].product_id == "P061"


def test_page_shows_each_product_once(trained: Recommender, regular: Past) -> None:
    placements = (Placement.FOR_YOU, Placement.BUY_AGAIN, Placement.TRENDING)
    answers = [trained.recommend(request(placement, limit=30), regular) for placement in placements]
    page = without_repeats(answers, [5, 5, 5])
    shown = [item.product_id for answer in page for item in answer.items]
    assert len(shown) == len(set(shown))
    assert [item.rank for item in page[0].items] == [1, 2, 3, 4, 5]


def test_a_list_that_is_the_whole_page_is_not_made_again(trained: Recommender, regular: Past) -> None:
    answer = trained.recommend(request(limit=5), regular)
    assert without_repeats([answer], [5])[0] is answer
    assert without_repeats([answer], [3])[0].items == answer.items[:3]


def test_page_repeats_rather_than_showing_an_empty_widget(trained: Recommender, regular: Past) -> None:
    answer = trained.recommend(request(limit=3), regular)
    page: list[Answer] = without_repeats([answer, answer], [3, 3])
    assert page[1].items == page[0].items


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"context": Context(CUT_AT.replace(tzinfo=None))}, "context.now"),
        ({"filters": Filters(price_min_minor=2, price_max_minor=1)}, "filters.price_min_minor"),
        ({"filters": Filters(exclude_purchased="lately")}, "filters.exclude_purchased"),
    ],
)
def test_impossible_request_names_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        replace(request(), **changes)  # type: ignore[arg-type]
    assert refused.value.field == field
