"""What must never happen, whatever filters, rules, stock, persons and placements come together."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of
from services.recommend.domain.capping import FrequencyCap
from services.recommend.domain.diversity import Diversity
from services.recommend.domain.exploration import Exploration
from services.recommend.domain.offers import Coupon
from services.recommend.domain.placements import PlacementSettings
from services.recommend.domain.products import Product
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.domain.requests import (
    Answer,
    Context,
    Filters,
    Outcome,
    Placement,
    Request,
    Source,
    without_repeats,
)
from services.recommend.domain.rules import Audience, Rule, RuleKind, RuleState, Scope, Selector
from services.recommend.model import untrained, with_catalogue
from services.recommend.serving.past import Past
from services.recommend.serving.policy import Policy
from services.recommend.serving.recommender import Recommender
from services.recommend.training.fitting import train
from tests.unit.recommend.factories import catalogue, dataset, day, past_of, receipt, receipts_of, town

LINES = town()
CUT_AT = day(150)
PRODUCTS = {
    **catalogue(60),
    "P060": Product("P060", product_type="wine", category="wine", price_minor=900, currency="USD", min_age=18),
    "P061": Product("P061", product_type="type 1", category="category 0", is_sellable=False),
    "P062": Product("P062"),
    "P063": Product("P063", product_type="type 2", price_minor=300, currency="USD", new_since=day(149)),
    "P064": Product("P064", product_type="type 2", price_minor=310, currency="USD", new_since=day(148), min_age=18),
}
NAMES = sorted(PRODUCTS)
OUT = {"S0": frozenset({"P000", "P001", "P002", "P003", "P063"}), "S2": frozenset(NAMES)}
EXPLORING = {
    placement: PlacementSettings(frequency_cap=FrequencyCap(1, 7), exploration=Exploration(random_share=0.5))
    for placement in Placement
}

selectors = st.builds(
    Selector,
    product_ids=st.frozensets(st.sampled_from([*NAMES, "unheard of"]), min_size=1, max_size=20),
) | st.builds(
    Selector, product_types=st.frozensets(st.sampled_from(["type 1", "type 2", "wine"]), min_size=1, max_size=3)
)
scopes = st.builds(
    Scope,
    placements=st.frozensets(st.sampled_from(Placement), max_size=3),
    store_ids=st.frozensets(st.sampled_from(["S0", "S1"]), max_size=1),
    audience=st.sampled_from(Audience),
)
about = {
    "rule_id": st.uuids(),
    "name": st.just("r"),
    "scope": scopes,
    "state": st.sampled_from(RuleState),
    "priority": st.integers(-2, 2),
    "valid_until": st.sampled_from([None, CUT_AT, CUT_AT + timedelta(days=1)]),
}
pins = st.builds(
    Rule,
    kind=st.just(RuleKind.PIN),
    selector=st.sampled_from([*NAMES, "unheard of"]).map(lambda name: Selector(product_ids=frozenset({name}))),
    place=st.integers(1, 12),
    **about,
)
moves = st.builds(
    Rule,
    kind=st.sampled_from([RuleKind.BOOST, RuleKind.BURY]),
    selector=selectors,
    factor=st.floats(1.1, 100),
    **about,
)
quotas = st.integers(0, 3).flatmap(
    lambda least: st.builds(
        Rule,
        kind=st.just(RuleKind.QUOTA),
        selector=selectors,
        at_least=st.just(least),
        at_most=st.none() | st.integers(least, 5),
        **about,
    )
)
injects = st.builds(
    Rule,
    kind=st.just(RuleKind.INJECT),
    selector=selectors,
    count=st.integers(1, 4),
    place=st.integers(1, 12),
    **about,
)
filters = st.builds(
    Filters,
    in_stock=st.booleans(),
    categories=st.frozensets(st.sampled_from(["category 0", "type 3", "wine", "nonsense"]), max_size=2),
    price_min_minor=st.none() | st.integers(0, 400),
    price_max_minor=st.none() | st.integers(400, 900),
    exclude_ids=st.frozensets(st.sampled_from(NAMES), max_size=60),
    exclude_purchased=st.sampled_from(["none", "all", "recent:30d"]),
)
requests = st.builds(
    Request,
    placement=st.sampled_from(Placement),
    context=st.builds(
        Context,
        now=st.just(CUT_AT),
        items=st.lists(st.sampled_from([*NAMES, "unheard of"]), max_size=3).map(tuple),
        store_id=st.sampled_from([None, "S0", "S1", "S2"]),
    ),
    limit=st.integers(1, 15),
    spare=st.sampled_from([0, 0, 5]),
    filters=filters,
    customer_id=st.sampled_from([None, "C000"]),
    customer_age=st.sampled_from([None, 17, 40]),
    personalized=st.booleans(),
    diversity=st.sampled_from(Diversity),
    request_id=st.none() | st.uuids(),
)
lists_of_rules = st.lists(pins | moves | quotas | injects, max_size=6)
capped = st.frozensets(st.sampled_from(NAMES), max_size=30)
COUPONS = [
    Coupon(UUID(int=1), "c", "USD", percent=20, product_ids=frozenset({"P000", "P060"})),
    Coupon(UUID(int=2), "c", "USD", amount_minor=50, expires_at=CUT_AT),
]


@pytest.fixture(scope="module")
def trained() -> Recommender:
    return Recommender(with_catalogue(train(*dataset(LINES), days_since_epoch(CUT_AT)), PRODUCTS), OUT)


@pytest.fixture(scope="module")
def blank() -> Recommender:
    return Recommender(untrained(assortment_of(NAMES, PRODUCTS)), OUT)


@pytest.fixture(scope="module")
def regular() -> Past:
    return past_of(receipts_of(LINES, "C000", CUT_AT))


def permitted(asked: Request, past: Past) -> set[str]:
    """What may be shown, by an independent reading of the limits."""
    own = past.products if asked.personalized else {}
    return {name for name, each in PRODUCTS.items() if _may_show(asked, each) and _not_bought(asked, own.get(name))}


def _may_show(asked: Request, product: Product) -> bool:
    wanted, context, price = asked.filters, asked.context, product.price_minor
    by_items = {Placement.SIMILAR, Placement.BASKET, Placement.BOUGHT_TOGETHER, Placement.SUBSTITUTES}
    low, high = wanted.price_min_minor, wanted.price_max_minor
    return (
        product.is_sellable
        and product.product_id not in wanted.exclude_ids
        and not (asked.placement in by_items and product.product_id in context.items)
        and not (wanted.in_stock and product.product_id in OUT.get(context.store_id or "", ()))
        and (product.min_age is None or (asked.customer_age or 0) >= product.min_age)
        and (not wanted.categories or bool({product.category, product.product_type} & wanted.categories))
        and (low is None or (price is not None and price >= low))
        and (high is None or (price is not None and price <= high))
    )


def _not_bought(asked: Request, own: object) -> bool:
    if own is None:
        return True
    if asked.placement is Placement.DISCOVER or asked.filters.exclude_purchased == "all":
        return False
    last_at = own.last_at  # type: ignore[attr-defined]
    return asked.filters.exclude_purchased == "none" or CUT_AT - last_at >= timedelta(days=30)


def governing(rules: list[Rule], asked: Request, *, is_known: bool) -> list[Rule]:
    """The rules that are in force, the most important first."""
    found = [
        rule
        for rule in rules
        if rule.state is RuleState.ACTIVE
        and rule.valid_until != CUT_AT
        and (not rule.scope.placements or asked.placement in rule.scope.placements)
        and (not rule.scope.store_ids or asked.context.store_id in rule.scope.store_ids)
        and (rule.scope.audience is Audience.EVERYBODY or (rule.scope.audience is Audience.KNOWN) is is_known)
    ]
    return sorted(found, key=lambda rule: (-rule.priority, rule.rule_id.int))


@given(asked=requests, rules=lists_of_rules, capped=capped, flags=st.tuples(st.booleans(), st.booleans()))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_limit_is_violated_no_widget_is_empty_and_no_pin_is_missing(
    trained: Recommender,
    blank: Recommender,
    regular: Past,
    asked: Request,
    rules: list[Rule],
    capped: frozenset[str],
    flags: tuple[bool, bool],
) -> None:
    is_trained, is_known = flags
    recommender = trained if is_trained else blank
    past = regular if is_known else Past()
    policy = Policy(rules, EXPLORING).over(recommender.goods)
    answer = recommender.recommend(asked, past, policy, capped, COUPONS)
    may = permitted(asked, past)
    shown = [item.product_id for item in answer.items]
    assert set(shown) <= may
    assert len(set(shown)) == len(shown) <= asked.limit + asked.spare
    assert [item.rank for item in answer.items] == list(range(1, len(shown) + 1))
    assert bool(shown) is bool(may)
    for item in answer.items:
        assert item.offer is None or item.offer.price_minor < item.offer.shelf_price_minor
        assert item.offer is None or (asked.personalized and asked.placement is Placement.CAMPAIGN)
    _check_pins(answer, governing(rules, asked, is_known=is_known and asked.personalized), may, asked)


def _check_pins(answer: Answer, rules: list[Rule], may: set[str], asked: Request) -> None:
    of = {item.product_id: item for item in answer.items}
    passing = []
    for rule in [rule for rule in rules if rule.kind is RuleKind.PIN]:
        (name,) = rule.selector.product_ids
        (effect,) = [each for each in answer.effects if each.rule_id == rule.rule_id][:1]
        if name not in may:
            assert effect.outcome is Outcome.LEFT_OUT
            assert effect.detail
        elif (rule.place or 0) <= asked.limit:
            passing.append((name, rule.place))
    names = list(dict.fromkeys(name for name, _ in passing))
    for name in names[: asked.limit]:
        assert of[name].pinned
    places = [place for _, place in passing]
    for name, place in passing:
        alone = places.count(place) == 1 and [each for each, _ in passing].count(name) == 1
        if len(passing) == 1 and alone and (place or 0) <= len(of):
            assert of[name].rank == place


@given(asked=requests, rules=st.lists(quotas, max_size=3))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_upper_quota_holds_unless_nothing_else_may_be_shown(
    blank: Recommender, asked: Request, rules: list[Rule]
) -> None:
    assume(not asked.spare)
    policy = Policy(rules).over(blank.goods)
    answer = blank.recommend(asked, None, policy)
    unmet = {effect.rule_id for effect in answer.effects if effect.outcome is Outcome.UNMET}
    for rule in governing(rules, asked, is_known=False):
        held = sum(rule.selector.holds(PRODUCTS[item.product_id]) for item in answer.items)
        assert rule.at_most is None or held <= rule.at_most or rule.rule_id in unmet
        assert held >= (rule.at_least or 0) or rule.rule_id in unmet


@given(
    asked=st.lists(requests, min_size=2, max_size=4),
    rules=st.lists(pins, max_size=4),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_page_repeats_no_product_and_keeps_each_pin_somewhere(
    blank: Recommender, asked: list[Request], rules: list[Rule]
) -> None:
    policy = Policy(rules).over(blank.goods)
    answers = [blank.recommend(each, None, policy) for each in asked]
    page = without_repeats(answers, [each.limit for each in asked])
    for before, after, each in zip(answers, page, asked, strict=True):
        assert bool(after.items) is bool(before.items)
        assert len(after.items) <= each.limit
    pinned = {
        item.product_id
        for n, a in enumerate(answers)
        for item in a.items
        if item.pinned and item.rank <= asked[n].limit
    }
    assert pinned <= {item.product_id for after in page for item in after.items if item.pinned}


def test_one_persons_offers_and_history_are_not_in_an_answer_that_is_not_personal(trained: Recommender) -> None:
    mine = past_of([receipt("r", 140, "P010", "P011"), receipt("s", 145, "P010")])
    for placement in Placement:
        asked = Request(placement, Context(CUT_AT), personalized=False)
        assert trained.recommend(asked, mine, coupons=COUPONS) == trained.recommend(asked, None)


def test_expired_coupon_is_never_shown(trained: Recommender, regular: Past) -> None:
    asked = Request(Placement.CAMPAIGN, Context(CUT_AT), limit=50, customer_id="C000")
    offered = [item.offer for item in trained.recommend(asked, regular, coupons=COUPONS).items if item.offer]
    assert {offer.coupon_id for offer in offered} <= {UUID(int=1)}


def test_explored_product_is_allowed_new_and_has_its_propensity(trained: Recommender) -> None:
    policy = Policy((), EXPLORING).over(trained.goods)
    found = set()
    for number in range(40):
        asked = Request(Placement.FOR_YOU, Context(CUT_AT), limit=5, request_id=UUID(int=number))
        (item,) = [each for each in trained.recommend(asked, None, policy).items if each.propensity]
        assert item.source is Source.EXPLORATION
        assert item.propensity == 1.0
        found.add((item.product_id, item.rank))
    assert found == {("P063", 5)}
