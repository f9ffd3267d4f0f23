"""A customer's state is a function of the set of receipts."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommend.domain.purchases import (
    KEPT_BASKETS,
    KEPT_PURCHASES,
    Line,
    Receipt,
)
from tests.unit.recommend.factories import day, receipt
from tests.unit.recommend.folding import CustomerState, state_of, with_receipt

receipts = st.lists(
    st.builds(
        lambda number, at, products, store: receipt(f"R{number}", at, *products, store=store),
        st.integers(0, 40),
        st.integers(0, 60),
        st.lists(st.sampled_from("abcd"), min_size=1, max_size=4),
        st.sampled_from(["S1", "S2"]),
    ),
    max_size=40,
    unique_by=lambda made: made.receipt_id,
)


def exact(state: CustomerState) -> object:
    products = {
        name: (own.count, own.quantity, own.first_at, own.last_at, own.recent) for name, own in state.products.items()
    }
    return (
        state.basket_count,
        state.first_at,
        state.last_at,
        state.size_sum,
        dict(state.store_visits),
        state.baskets,
        products,
    )


@given(receipts, st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_any_order_of_receipts_gives_the_same_state(made: list[Receipt], shuffle: random.Random) -> None:
    shuffled = made.copy()
    shuffle.shuffle(shuffled)
    assert exact(state_of(made)) == exact(state_of(shuffled))


def test_two_purchases_of_one_product_in_one_batch_both_count() -> None:
    batch = [receipt("R1", 1, "milk"), receipt("R2", 1, "milk", "bread")]
    milk = state_of(batch).products["milk"]
    assert milk.count == 2
    assert [bought.receipt_id for bought in milk.recent] == ["R1", "R2"]


def test_two_lines_of_one_product_are_one_purchase_of_their_sum() -> None:
    lines = (Line("milk", 1.0), Line("milk", 2.0))
    milk = state_of([Receipt("R1", day(1), "S1", lines)]).products["milk"]
    assert (milk.count, milk.quantity) == (1, 3.0)


def test_product_cancelled_on_the_same_receipt_was_not_bought() -> None:
    lines = (Line("milk", 1.0), Line("milk", -1.0), Line("bread"))
    state = state_of([Receipt("R1", day(1), "S1", lines)])
    assert set(state.products) == {"bread"}
    assert state.baskets[0].size == 1


def test_receipt_without_lines_is_no_basket() -> None:
    assert state_of([Receipt("R1", day(1), "S1", ())]) == CustomerState()


def test_one_receipt_given_twice_counts_once() -> None:
    once = receipt("R1", 1, "milk")
    assert state_of([once, once]).basket_count == 1


def test_late_receipt_moves_the_past_and_not_the_last_time() -> None:
    state = with_receipt(state_of([receipt("R2", 10, "milk")]), receipt("R1", 3, "milk"))
    milk = state.products["milk"]
    assert (milk.first_at, milk.last_at) == (day(3), day(10))
    assert [basket.receipt_id for basket in state.baskets] == ["R1", "R2"]


def test_latest_purchases_are_kept_and_all_are_counted() -> None:
    state = state_of(receipt(f"R{n:04d}", n, "milk") for n in range(KEPT_BASKETS + 7))
    milk = state.products["milk"]
    assert (milk.count, len(milk.recent)) == (KEPT_BASKETS + 7, KEPT_PURCHASES)
    assert milk.recent[-1].at == milk.last_at
    assert (state.basket_count, len(state.baskets)) == (KEPT_BASKETS + 7, KEPT_BASKETS)


def test_gap_size_and_usual_store_are_told() -> None:
    made = [receipt("R1", 0, "a", "b"), receipt("R2", 10, "a", store="S2"), receipt("R3", 20, "a", store="S2")]
    state = state_of(made)
    assert state.mean_gap_days == pytest.approx(10)
    assert state.mean_basket_size == pytest.approx(4 / 3)
    assert state.usual_store_id == "S2"


def test_nobody_has_no_gap_and_no_store() -> None:
    nobody = CustomerState()
    assert (nobody.mean_gap_days, nobody.usual_store_id, nobody.mean_basket_size) == (None, None, 0.0)
