"""What a return takes back, and what of a receipt is left."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.domain.consents import allows_personalisation
from services.recommend.domain.facts import MILLIONTHS, Fact, net_receipts
from tests.unit.recommend.factories import day


def fact(name: str, at: float, returns: str | None = None, **moved: float) -> Fact:
    pairs = [(product, round(quantity * MILLIONTHS)) for product, quantity in moved.items()]
    return Fact(name, day(at), "S1", pairs, returns)


def left(*facts: Fact) -> dict[str, dict[str, float]]:
    return {
        receipt.receipt_id: {line.product_id: line.quantity for line in receipt.lines}
        for receipt in net_receipts(facts)
    }


def test_a_receipt_without_returns_is_what_was_bought() -> None:
    assert left(fact("a", 1, milk=2, ham=0.35)) == {"a": {"milk": 2.0, "ham": 0.35}}


def test_a_product_of_no_quantity_was_bought_all_the_same() -> None:
    assert left(fact("a", 1, deposit=0)) == {"a": {"deposit": 0.0}}


def test_a_named_return_takes_from_its_receipt_and_from_no_other() -> None:
    assert left(fact("a", 1, milk=1), fact("b", 2, milk=1), fact("r", 3, "a", milk=-1)) == {"b": {"milk": 1.0}}


def replaced(name: str, by: str, **moved: float) -> Fact:
    return replace(fact(name, 1, None, **moved), replaced_by=by)


EDITED = [
    replaced("a", "b", milk=2, ham=1),
    replaced("b", "c", milk=2),
    fact("c", 1, milk=2, tea=1),
    fact("r", 2, "a", milk=-1),
    fact("s", 3, "b", milk=-1),
]


def test_what_came_back_before_an_order_was_edited_is_taken_from_the_receipt_that_stands() -> None:
    assert left(*EDITED) == {"c": {"tea": 1.0}}
    assert left(*EDITED[:4]) == {"c": {"milk": 1.0, "tea": 1.0}}


@pytest.mark.parametrize("order", list(permutations(range(len(EDITED)))))
def test_edits_and_returns_mean_the_same_in_any_order(order: tuple[int, ...]) -> None:
    assert left(*(EDITED[place] for place in order)) == {"c": {"tea": 1.0}}


def test_a_receipt_that_was_replaced_counts_for_nothing() -> None:
    assert left(replaced("a", "elsewhere", milk=1)) == {}
    assert left(replaced("a", "elsewhere", milk=1), fact("r", 2, "a", milk=-1)) == {}
    assert left(replaced("a", "b", milk=1), fact("b", 1, milk=1), fact("r", 2, milk=-1)) == {}


def test_receipts_that_replace_each_other_end_nowhere() -> None:
    assert left(replaced("a", "b", milk=1), replaced("b", "a", milk=1), fact("r", 2, "a", milk=-1)) == {}


def test_a_named_return_of_an_unknown_receipt_takes_nothing() -> None:
    assert left(fact("a", 1, milk=1), fact("r", 3, "elsewhere", milk=-1)) == {"a": {"milk": 1.0}}


def test_more_than_was_bought_cannot_come_back_from_a_named_receipt() -> None:
    assert left(fact("a", 1, milk=2), fact("b", 2, milk=1), fact("r", 3, "a", milk=-5)) == {"b": {"milk": 1.0}}


def test_an_unnamed_return_takes_from_the_latest_purchases_before_it() -> None:
    sales = (fact("a", 1, milk=1), fact("b", 2, milk=1), fact("c", 9, milk=1))
    assert left(*sales, fact("r", 5, milk=-1.5)) == {"a": {"milk": 0.5}, "c": {"milk": 1.0}}


def test_exactly_what_was_weighed_comes_back_without_a_rest() -> None:
    assert left(fact("a", 1, ham=0.3), fact("r", 2, "a", ham=-0.1), fact("s", 3, "a", ham=-0.2)) == {}


def test_an_exchange_does_not_take_back_what_it_sells() -> None:
    exchange = Fact("x", day(2), "S1", [("shoe", -MILLIONTHS), ("shoe", MILLIONTHS)])
    assert left(fact("a", 1, shoe=1), exchange) == {"x": {"shoe": 1.0}}


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_in_which_facts_arrive_changes_nothing(order: tuple[int, ...]) -> None:
    facts = [fact("a", 1, milk=1), fact("b", 2, milk=2), fact("r", 3, milk=-1), fact("s", 4, "a", milk=-1)]
    assert left(*(facts[place] for place in order)) == {"b": {"milk": 1.0}}


def test_a_fact_given_twice_counts_once() -> None:
    sale, back = fact("a", 1, milk=2), fact("r", 2, milk=-1)
    assert left(sale, sale, back, back) == {"a": {"milk": 1.0}}


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(-3, 3)), max_size=12))
def test_quantities_never_fall_below_nothing_and_never_rise(moves: list[tuple[int, int]]) -> None:
    facts = [fact(f"f{n}", at, milk=quantity) for n, (at, quantity) in enumerate(moves)]
    kept = left(*facts)
    bought = {f"f{n}": quantity for n, (_, quantity) in enumerate(moves) if quantity >= 0}
    assert all(0 <= lines["milk"] <= bought[name] for name, lines in kept.items())


def test_consent_is_withdrawn_on_its_channel_and_everywhere_by_any() -> None:
    assert allows_personalisation((), "web")
    assert allows_personalisation({"email"}, "web")
    assert allows_personalisation({"email"}, None)
    assert not allows_personalisation({"email"}, "email")
    assert not allows_personalisation({"any"}, "web")
    assert not allows_personalisation({"any"}, None)
