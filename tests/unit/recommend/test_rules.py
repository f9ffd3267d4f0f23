"""Rules: what may be said, what they do to an order of products, and that they never lose a pin or fill a quota."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of
from services.recommend.domain.arranging import Applied, moved, placed, places_of, put_in, within_quotas
from services.recommend.domain.products import Product
from services.recommend.domain.requests import Context, Placement, Request
from services.recommend.domain.rule_texts import definition_of, rule_of
from services.recommend.domain.rules import (
    Audience,
    InvalidRuleError,
    Rule,
    RuleKind,
    Scope,
    Selector,
    in_force,
)
from services.recommend.history import Ints
from services.recommend.serving.selecting import ProductNames

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SIZE = 12
EVERYTHING = np.ones(SIZE, np.bool_)
NOTHING = np.empty(0, np.int64)


def rule(kind: RuleKind, **parts: Any) -> Rule:
    selector = parts.pop("selector", Selector(brands=frozenset({"Own"})))
    return Rule(parts.pop("rule_id", uuid4()), "a rule", kind, selector, **parts)


def applied(kind: RuleKind, *members: int, **parts: Any) -> Applied:
    mask = np.zeros(SIZE, np.bool_)
    mask[list(members)] = True
    return Applied(rule(kind, **parts), mask)


def order(*products: int) -> Ints:
    return np.array(products, np.int64)


# What may be said.


@pytest.mark.parametrize(
    ("kind", "parts", "field"),
    [
        (RuleKind.PIN, {"place": 1}, "selector.product_ids"),
        (RuleKind.PIN, {"selector": Selector(product_ids=frozenset({"a", "b"})), "place": 1}, "selector.product_ids"),
        (RuleKind.PIN, {"selector": Selector(product_ids=frozenset({"a"}))}, "place"),
        (RuleKind.PIN, {"selector": Selector(product_ids=frozenset({"a"})), "place": 101}, "place"),
        (RuleKind.PIN, {"selector": Selector(product_ids=frozenset({"a"})), "place": 1, "factor": 2.0}, "factor"),
        (RuleKind.BOOST, {}, "factor"),
        (RuleKind.BOOST, {"factor": 1.0}, "factor"),
        (RuleKind.BOOST, {"factor": float("nan")}, "factor"),
        (RuleKind.BURY, {"factor": 2.0, "places": 3}, "factor"),
        (RuleKind.BURY, {"places": 0}, "places"),
        (RuleKind.QUOTA, {}, "at_least"),
        (RuleKind.QUOTA, {"at_least": 3, "at_most": 2}, "at_least"),
        (RuleKind.INJECT, {}, "count"),
        (RuleKind.INJECT, {"count": 21}, "count"),
        (RuleKind.BOOST, {"factor": 2.0, "selector": Selector()}, "selector"),
        (RuleKind.BOOST, {"factor": 2.0, "valid_from": NOW, "valid_until": NOW}, "valid_until"),
        (
            RuleKind.BOOST,
            {"factor": 2.0, "selector": Selector(price_min_minor=2, price_max_minor=1)},
            "selector.price_min_minor",
        ),
    ],
)
def test_rule_that_makes_no_sense_is_refused_with_its_field(kind: RuleKind, parts: Any, field: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        rule(kind, **parts)
    assert refused.value.field == field


def test_rule_is_the_same_after_being_written_down_and_read_back() -> None:
    scope = Scope(frozenset({Placement.FOR_YOU}), frozenset({"S1"}), frozenset({"web"}), audience=Audience.KNOWN)
    said = rule(RuleKind.BOOST, factor=2.5, scope=scope, priority=3, valid_from=NOW, valid_until=NOW + timedelta(1))
    assert rule_of(said.rule_id, said.state.value, definition_of(said)) == said


def asked(**changes: Any) -> Request:
    context = Context(
        changes.pop("now", NOW), store_id=changes.pop("store_id", None), channel=changes.pop("channel", None)
    )
    return Request(changes.pop("placement", Placement.FOR_YOU), context, **changes)


def test_validity_includes_its_start_and_excludes_its_end() -> None:
    said = rule(RuleKind.BOOST, factor=2.0, valid_from=NOW, valid_until=NOW + timedelta(hours=1))
    moments = [NOW - timedelta(microseconds=1), NOW, NOW + timedelta(minutes=59), NOW + timedelta(hours=1)]
    assert [said.holds_at(moment) for moment in moments] == [False, True, True, False]


@pytest.mark.parametrize(
    ("scope", "request_", "is_known", "holds"),
    [
        (Scope(), asked(), False, True),
        (Scope(placements=frozenset({Placement.SIMILAR})), asked(), False, False),
        (Scope(store_ids=frozenset({"S1"})), asked(store_id="S1"), False, True),
        (Scope(store_ids=frozenset({"S1"})), asked(), False, False),
        (Scope(channels=frozenset({"web"})), asked(channel="app"), False, False),
        (Scope(audience=Audience.KNOWN), asked(), True, True),
        (Scope(audience=Audience.KNOWN), asked(), False, False),
        (Scope(audience=Audience.UNKNOWN), asked(), False, True),
    ],
)
def test_scope_says_which_lists_are_meant(scope: Scope, request_: Request, is_known: bool, holds: bool) -> None:  # noqa: FBT001
    said = rule(RuleKind.BOOST, factor=2.0, scope=scope)
    assert bool(in_force([said], request_, is_known=is_known)) is holds


def test_rules_of_higher_priority_come_first_and_equals_in_an_order_of_their_own() -> None:
    low, high = rule(RuleKind.BOOST, factor=2.0), rule(RuleKind.BURY, factor=2.0, priority=5)
    twin = rule(RuleKind.BOOST, factor=2.0, rule_id=UUID(int=1))
    found = in_force([low, high, twin], asked(), is_known=False)
    assert found == in_force([twin, low, high], asked(), is_known=False)
    assert found[:2] == [high, twin]


words = st.sampled_from(["a", "b", "c"])
some = st.frozensets(words, max_size=2)
selectors = st.builds(
    Selector,
    product_ids=st.frozensets(st.sampled_from(["P0", "P1", "P2", "P9"]), max_size=3),
    categories=some,
    product_types=some,
    brands=some,
    labels=some,
    price_min_minor=st.none() | st.integers(0, 5),
    price_max_minor=st.none() | st.integers(0, 5),
)
described = st.builds(
    Product,
    product_id=st.just("?"),
    department=st.none() | words,
    category=st.none() | words,
    product_type=st.none() | words,
    brand=st.none() | words,
    brand_name=st.none() | words,
    labels=st.lists(words, max_size=2).map(tuple),
    price_minor=st.none() | st.integers(0, 5),
)


@given(selector=selectors, products=st.lists(described, min_size=1, max_size=6))
def test_mask_of_a_selector_says_of_each_product_what_the_selector_says(
    selector: Selector, products: list[Product]
) -> None:
    named = {f"P{n}": Product(**{**_fields(each), "product_id": f"P{n}"}) for n, each in enumerate(products)}
    mask = ProductNames(assortment_of(list(named), named)).mask(selector)
    assert mask.tolist() == [selector.holds(product) for product in named.values()]


def _fields(product: Product) -> dict[str, Any]:
    return {name: getattr(product, name) for name in Product.__slots__}


# What they do.


def test_boost_by_places_moves_exactly_that_far() -> None:
    assert moved(order(0, 1, 2, 3, 4), [applied(RuleKind.BOOST, 3, places=2)]).tolist() == [0, 3, 1, 2, 4]


def test_bury_by_places_moves_exactly_that_far() -> None:
    assert moved(order(0, 1, 2, 3, 4), [applied(RuleKind.BURY, 0, places=2)]).tolist() == [1, 2, 0, 3, 4]


def test_factor_moves_what_is_near_the_front_less_than_what_is_far() -> None:
    boosted = moved(order(*range(10)), [applied(RuleKind.BOOST, 1, 8, factor=3.0)])
    assert boosted.tolist() == [1, 0, 2, 8, 3, 4, 5, 6, 7, 9]


def test_boost_and_bury_of_the_same_products_cancel() -> None:
    both = [applied(RuleKind.BOOST, 2, 4, factor=4.0), applied(RuleKind.BURY, 2, 4, factor=4.0)]
    assert moved(order(0, 1, 2, 3, 4), both).tolist() == [0, 1, 2, 3, 4]


def test_injected_products_come_from_the_list_first_then_from_the_shelf() -> None:
    found, chosen = put_in(order(0, 1, 2, 3), applied(RuleKind.INJECT, 3, 7, 8, count=2, place=2), order(7, 8))
    assert (found.tolist(), chosen.tolist()) == ([0, 3, 7, 1, 2], [3, 7])


def test_injecting_more_than_there_is_puts_in_what_there_is() -> None:
    found, chosen = put_in(order(0, 1), applied(RuleKind.INJECT, 5, count=3), order(4, 5))
    assert (found.tolist(), chosen.tolist()) == ([5, 0, 1], [5])


def test_upper_quota_lets_the_next_ones_in() -> None:
    chosen, unmet = within_quotas(order(0, 1, 2, 3, 4), [applied(RuleKind.QUOTA, 0, 1, 2, at_most=1)], [], 3, NOTHING)
    assert (chosen, unmet) == ([0, 3, 4], [])


def test_lower_quota_takes_the_place_of_the_last() -> None:
    chosen, unmet = within_quotas(order(0, 1, 2, 3), [applied(RuleKind.QUOTA, 3, 7, at_least=2)], [], 3, order(7))
    assert (chosen, unmet) == ([0, 3, 7], [])


def test_lower_quota_without_enough_products_is_reported() -> None:
    quota = applied(RuleKind.QUOTA, 3, at_least=2)
    assert within_quotas(order(0, 1, 2, 3), [quota], [], 3, NOTHING) == ([0, 1, 3], [quota])


def test_pinned_products_count_for_quotas() -> None:
    quota = applied(RuleKind.QUOTA, 0, 1, 9, at_most=1)
    assert within_quotas(order(0, 1, 2, 3), [quota], [9], 2, NOTHING) == ([2, 3], [])


def test_more_important_lower_quota_wins_where_both_do_not_fit() -> None:
    first, second = applied(RuleKind.QUOTA, 4, 5, at_least=2), applied(RuleKind.QUOTA, 6, 7, at_least=2)
    chosen, unmet = within_quotas(order(*range(8)), [first, second], [], 3, NOTHING)
    assert {4, 5} <= set(chosen)
    assert unmet == [second]


quotas = st.lists(
    st.builds(
        lambda members, least, extra: applied(RuleKind.QUOTA, *members, at_least=least, at_most=least + extra),
        st.sets(st.integers(0, SIZE - 1)),
        st.integers(0, 4),
        st.integers(0, 6),
    ),
    max_size=4,
)


@given(
    products=st.permutations(range(SIZE)).flatmap(lambda p: st.integers(0, SIZE).map(lambda n: p[:n])),
    quotas=quotas,
    fixed_count=st.integers(0, 3),
    room=st.integers(1, 8),
)
def test_upper_quotas_hold_always_and_no_product_comes_twice(
    products: list[int], quotas: list[Applied], fixed_count: int, room: int
) -> None:
    fixed, pool = products[:fixed_count], order(*products[fixed_count:])
    spare = np.setdiff1d(np.arange(SIZE), products)
    chosen, unmet = within_quotas(pool, quotas, fixed, room, spare)
    assert len(chosen) <= room
    assert len({*chosen, *fixed}) == len(chosen) + len(fixed)
    for quota in quotas:
        most, least = quota.rule.at_most or 0, quota.rule.at_least or 0
        of_free = sum(bool(quota.members[p]) for p in chosen)
        of_fixed = sum(bool(quota.members[p]) for p in fixed)
        assert of_free <= max(most - of_fixed, 0)
        assert (of_free + of_fixed >= least) is (quota not in unmet)


def test_places_of_two_pins_that_want_one_place() -> None:
    assert places_of([(2, 7), (2, 8), (2, 9)], 3) == {2: 7, 3: 8, 1: 9}
    assert places_of([(4, 7)], 3) == {}
    assert places_of([(1, 7), (2, 7)], 3) == {1: 7}


@given(
    wanted=st.lists(st.tuples(st.integers(1, 12), st.integers(0, 20)), max_size=12),
    rest=st.lists(st.integers(21, 60), unique=True, max_size=12),
    limit=st.integers(1, 10),
)
def test_pin_whose_place_is_free_is_always_there(wanted: list[tuple[int, int]], rest: list[int], limit: int) -> None:
    fixed = places_of(wanted, limit)
    shown = placed(fixed, rest, limit)
    assert len(shown) == min(limit, len(fixed) + len(rest))
    assert len(set(shown)) == len(shown)
    assert set(fixed.values()) <= set(shown)
    for place, product in fixed.items():
        if place <= len(rest) + len([each for each in fixed if each <= place]):
            assert shown[place - 1] == product
    first = next(((place, product) for place, product in wanted if place <= limit), None)
    if first is not None:
        assert fixed[first[0]] == first[1]
