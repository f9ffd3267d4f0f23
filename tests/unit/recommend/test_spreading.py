"""Diversity: what places are worth, spreading over product types, and that rules and limits hold beside it."""

from typing import Any
from uuid import UUID

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from services.recommend.domain.arranging import Applied
from services.recommend.domain.diversity import SPREAD, Diversity
from services.recommend.domain.requests import Context, Placement, Request, Source
from services.recommend.domain.rules import Rule, RuleKind, RuleState, Selector
from services.recommend.history import Matrix
from services.recommend.ranking.spreading import diversified, relevance_of_places
from services.recommend.serving.rerank import Pool, Reshaping, Shelved, rerank
from tests.unit.recommend.factories import day

LEVELS = [Diversity.LOW, Diversity.MEDIUM, Diversity.HIGH]
levels = st.sampled_from(LEVELS)
kinds = st.lists(st.integers(-1, 6), min_size=1, max_size=120)


def unlike(count: int) -> Matrix:
    return np.eye(count, max(count, 1), dtype=np.float32)


def spread(types: list[int], level: Diversity, limit: int) -> list[int]:
    size = len(types)
    found = diversified(np.arange(size), np.array(types, np.int64), unlike(size), level, limit)
    return [int(each) for each in found]


# What a place is worth.


@given(count=st.integers(1, 120))
def test_worth_begins_at_one_falls_with_the_place_and_does_not_depend_on_how_many_follow(count: int) -> None:
    worth = relevance_of_places(count)
    assert worth[0] == 1
    assert (np.diff(worth) < 0).all()
    assert worth.tolist() == relevance_of_places(count + 7)[:count].tolist()


# Spreading.


def test_off_changes_nothing() -> None:
    assert spread([0, 0, 0, 1], Diversity.OFF, 4) == [0, 1, 2, 3]


def test_low_keeps_three_of_a_type_in_front() -> None:
    assert spread([0, 0, 0, 0, 0, 1], Diversity.LOW, 6) == [0, 1, 2, 5, 3, 4]


def test_high_shows_each_type_once_before_any_twice() -> None:
    found = spread([0, 0, 1, 1, 2, 2], Diversity.HIGH, 6)
    assert found[0] == 0
    assert {[0, 0, 1, 1, 2, 2][n] for n in found[:3]} == {0, 1, 2}


def test_products_without_a_type_are_of_no_others_type() -> None:
    assert spread([-1, -1, -1], Diversity.LOW, 3) == [0, 1, 2]


def test_unlike_product_comes_nearer_among_alike_ones_of_different_types() -> None:
    vectors = np.zeros((20, 2), np.float32)
    vectors[:, 0] = 1
    vectors[12] = [0, 1]
    found = diversified(np.arange(20), np.arange(20), vectors, Diversity.MEDIUM, 10).tolist()
    assert found.index(12) < 10
    assert found[0] == 0


@given(types=kinds, level=levels, limit=st.integers(1, 120))
def test_spreading_loses_no_product_and_keeps_the_cap_while_it_can(
    types: list[int], level: Diversity, limit: int
) -> None:
    found = spread(types, level, limit)
    assert sorted(found) == list(range(len(types)))
    cap, pool = SPREAD[level].cap, types[:100]
    fitting = sum(min(pool.count(kind), cap) for kind in set(pool) - {-1}) + pool.count(-1)
    front = [types[n] for n in found[: min(limit, fitting)]]
    assert all(front.count(kind) <= cap for kind in set(front) - {-1})


@given(types=kinds, level=levels, limit=st.integers(1, 60))
def test_first_product_stays_and_a_longer_list_begins_as_a_shorter_one(
    types: list[int], level: Diversity, limit: int
) -> None:
    found = spread(types, level, limit)
    assert found[0] == 0
    assert spread(types, level, limit + 20)[:limit] == found[:limit]


@given(types=kinds)
def test_each_level_shows_as_many_types_as_the_one_below(types: list[int]) -> None:
    """Without likeness by vectors, where types alone are what is spread."""
    shown = [len({types[n] for n in spread(types, level, 10)[:10]}) for level in Diversity]
    assert shown[0] <= shown[1] <= shown[2] <= shown[3]


# Within a list that rules shape too.

SIZE = 40
NAMES = [f"P{number:03d}" for number in range(SIZE)]
ASKED = Request(Placement.FOR_YOU, Context(day(1)), limit=8)


def shelf(types: list[int], allowed: set[int]) -> Shelved:
    mask = np.isin(np.arange(SIZE), list(allowed))
    return Shelved(
        mask,
        lambda _: "not allowed",
        lambda indices: tuple(NAMES[n] for n in indices.tolist()),
        {name: number for number, name in enumerate(NAMES)},
        np.array(types, np.int64),
        unlike(SIZE),
        lambda: np.flatnonzero(mask),
    )


def pool_of(products: list[int]) -> Pool:
    size = len(products)
    return Pool(np.array(products, np.int64), np.zeros(size), (Source.RANKED,) * size, (0,) * size)


def rule(kind: RuleKind, *members: int, **parts: Any) -> Applied:
    selector = Selector(product_ids=frozenset(NAMES[n] for n in members))
    made = Rule(UUID(int=1), "a rule", kind, selector, state=RuleState.ACTIVE, **parts)
    return Applied(made, np.isin(np.arange(SIZE), members))


@given(
    types=st.lists(st.integers(-1, 5), min_size=SIZE, max_size=SIZE),
    products=st.lists(st.integers(0, SIZE - 1), unique=True, min_size=1, max_size=SIZE),
    level=levels,
)
def test_spread_list_holds_allowed_products_once_and_begins_with_the_first(
    types: list[int], products: list[int], level: Diversity
) -> None:
    how = Reshaping(diversity=level)
    shown = rerank(pool_of(products), ASKED, how, shelf(types, set(products))).products
    assert set(shown) <= set(products)
    assert len(shown) == len(set(shown)) == min(ASKED.limit, len(products))
    assert shown[0] == products[0]


@given(
    types=st.lists(st.integers(-1, 5), min_size=SIZE, max_size=SIZE),
    level=levels,
    pinned=st.integers(0, SIZE - 1),
    place=st.integers(1, 8),
    lifted=st.integers(0, SIZE - 1),
)
def test_pins_stay_and_what_is_boosted_to_the_front_comes_first(
    types: list[int], level: Diversity, pinned: int, place: int, lifted: int
) -> None:
    assume(lifted != pinned)
    products = list(range(SIZE))
    pin, boost = rule(RuleKind.PIN, pinned, place=place), rule(RuleKind.BOOST, lifted, factor=100.0)
    how = Reshaping(rules=(pin, boost), diversity=level)
    found = rerank(pool_of(products), ASKED, how, shelf(types, set(products)))
    assert found.products[place - 1] == pinned
    assert next(product for product in found.products if product != pinned) == lifted


def test_inject_stands_at_its_place_whatever_its_type() -> None:
    inject = rule(RuleKind.INJECT, 30, place=2, count=1)
    how = Reshaping(rules=(inject,), diversity=Diversity.HIGH)
    found = rerank(pool_of(list(range(20))), ASKED, how, shelf([0] * SIZE, set(range(SIZE))))
    assert found.products[1] == 30
