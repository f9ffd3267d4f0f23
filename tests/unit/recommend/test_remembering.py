"""Customers in memory are found by all their subjects, take few bytes, and lose nothing of what they bought."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of
from services.recommend.domain.facts import MILLIONTHS, Fact, net_baskets
from services.recommend.domain.products import Product
from services.recommend.domain.requests import Context, Placement, Request
from services.recommend.domain.sharing import InvalidShare, Share
from services.recommend.history import History
from services.recommend.model import untrained
from services.recommend.serving.columns import Columns, columns_of, microseconds, moment
from services.recommend.serving.customers import LINES_MAX, Customers, Remembered
from services.recommend.serving.following import PAUSE_MAX_SECONDS, PAUSE_SECONDS, pause_after
from services.recommend.serving.names import LAID_OUT_MAX, Names, Vocabulary
from services.recommend.serving.past import Past
from services.recommend.serving.recommender import Recommender
from services.recommend.store.customers import Known
from tests.unit.recommend.factories import day
from tests.unit.recommend.test_past import PRODUCTS, STORES, facts

ANN, BEN, CAT = (UUID(int=number) for number in (1, 2, 3))


def known(customer_id: UUID, *subjects: UUID, bought: str = "a", channels: Sequence[str] = ()) -> Known:
    found = [Fact(f"r{name}", day(n), "S1", [(name, MILLIONTHS)]) for n, name in enumerate(bought)]
    return Known(customer_id, frozenset(channels), found, subjects or (customer_id,))


def customers(*read: Known, limit: int = 10) -> Customers:
    kept = Customers(limit)
    kept.replace([one.customer_id for one in read], read)
    return kept


def products_of(kept: Customers, asked: UUID) -> set[str] | None:
    found = kept.find(asked)
    return None if found is None else set(kept.past(found).products)


@given(facts, facts)
def test_what_is_unpacked_is_what_was_packed(some: list[Fact], others: list[Fact]) -> None:
    names = Names()
    columns_of(net_baskets(others), names)
    laid = columns_of(net_baskets(some), names)
    again = Columns.of_bytes(laid.to_bytes())
    for name in Columns.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(again, name), getattr(laid, name), err_msg=name)
    remembered, read = Past(names=names, columns=again), Past(net_baskets(some))
    for name in History.__dataclass_fields__:
        one, other = (getattr(past.history(PRODUCTS, STORES), name) for past in (remembered, read))
        np.testing.assert_array_equal(one, other, err_msg=name)
    assert dict(remembered.products) == dict(read.products)
    assert set(remembered.products.younger_than(20, day(50))) == set(read.products.younger_than(20, day(50)))


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - with a zone
def test_times_are_kept_to_the_microsecond(at: datetime) -> None:
    assert moment(microseconds(at)) == at


def test_a_basket_of_ten_products_takes_56_bytes() -> None:
    baskets = [Fact(f"r{n}", day(n), "S1", [(f"p{product}", MILLIONTHS) for product in range(10)]) for n in range(9)]
    assert len(columns_of(net_baskets(baskets), Names()).to_bytes()) == 8 + 9 * 56


@given(facts)
def test_products_bought_lately_are_those_whose_last_purchase_is_young(some: list[Fact]) -> None:
    past, now = Past(net_baskets(some)), day(61)
    for days in (0.5, 10.0, 45.0):
        young = {name for name, own in past.products.items() if (now - own.last_at) / timedelta(days=1) < days}
        assert set(past.products.younger_than(days, now)) == young


def test_a_customer_is_found_by_each_subject_and_by_no_other_id() -> None:
    kept = customers(known(ANN, ANN, BEN))
    assert products_of(kept, ANN) == products_of(kept, BEN) == {"a"}
    assert kept.find(CAT) is None
    assert kept.owners([BEN, CAT]) == {ANN}


def test_a_customer_that_bears_the_id_of_a_subject_of_somebody_else_is_not_found_by_it() -> None:
    kept = customers(known(ANN, CAT, bought="a"), known(BEN, BEN, ANN, bought="b"))
    assert products_of(kept, ANN) == {"b"}
    kept.replace([BEN], [])
    assert kept.find(ANN) is None
    assert products_of(kept, CAT) == {"a"}


@pytest.mark.parametrize("first", [ANN, BEN])
def test_a_subject_that_moved_is_its_new_customers_in_whichever_order_they_are_read(first: UUID) -> None:
    kept = customers(known(ANN, ANN, CAT, bought="ac"), known(BEN, bought="b"))
    moved = {ANN: known(ANN, bought="a"), BEN: known(BEN, BEN, CAT, bought="bc")}
    for customer_id in (first, BEN if first == ANN else ANN):
        kept.replace([customer_id], [moved[customer_id]])
    assert products_of(kept, CAT) == products_of(kept, BEN) == {"b", "c"}
    assert products_of(kept, ANN) == {"a"}


def test_a_version_changes_with_anything_of_a_customer_and_only_then() -> None:
    kept = customers(known(ANN, bought="a"))
    versions = []
    for read in (
        known(ANN, bought="a"),
        known(ANN, bought="ab"),
        known(ANN, ANN, BEN, bought="ab"),
        known(ANN, ANN, BEN, bought="ab", channels=["any"]),
        known(ANN, ANN, BEN, bought="ab", channels=["any"]),
    ):
        kept.replace([ANN], [read])
        found = kept.find(ANN)
        assert found is not None
        versions.append(found.version)
    assert versions[-1] == versions[-2]
    assert versions[:-1] == sorted(set(versions[:-1]))


def test_who_was_not_asked_for_longest_goes_first_when_memory_is_full() -> None:
    kept = customers(known(ANN), known(BEN), limit=2)
    kept.find(ANN)
    kept.replace([CAT], [known(CAT, CAT, uuid4())])
    assert (len(kept), kept.is_full) == (2, True)
    assert [kept.find(one) is not None for one in (ANN, BEN, CAT)] == [True, False, True]


def test_nobody_without_anything_to_remember_and_no_shops_own_card_is_kept() -> None:
    everything = [(f"p{n}", MILLIONTHS) for n in range(LINES_MAX + 1)]
    kept = customers(known(ANN, bought=""), Known(BEN, frozenset(), [Fact("r", day(1), "S1", everything)], [BEN]))
    assert len(kept) == 0
    kept.replace([ANN], [known(ANN, bought="", channels=["any"])])
    found = kept.find(ANN)
    assert found is not None
    assert found.withdrawn_channels == {"any"}


def test_everything_is_there_before_a_moment_only_if_the_last_receipt_is() -> None:
    found = customers(known(ANN, bought="ab")).find(ANN)
    assert found is not None
    assert not found.is_complete_at(day(1))
    assert found.is_complete_at(day(1) + timedelta(microseconds=1))


def test_numbers_stay_when_ids_are_added_and_are_laid_out_for_each_model() -> None:
    words = Vocabulary()
    assert [words.number(word) for word in ("x", "y", "x")] == [0, 1, 0]
    first, second = {"y": 5}, {"x": 7, "z": 8}
    assert words.indices(first).tolist() == [-1, 5]
    assert words.number("z") == 2
    assert words.indices(second).tolist() == [7, -1, 8]
    assert words.indices(first).tolist() == [-1, 5, -1]
    assert words.indices(first) is words.indices(first)
    assert words.find("unknown") is None
    for number in range(LAID_OUT_MAX + 1):
        words.indices({"x": number})
    assert words.indices(second).tolist() == [7, -1, 8]


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "1/5000", "a/b"])
def test_what_is_no_share_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(InvalidShare, match="k/n"):
        Share.parsed(text)


def test_every_customer_is_of_exactly_one_share_and_shares_are_about_even() -> None:
    shares = [Share.parsed(f"{number}/4") for number in range(1, 5)]
    ids = [UUID(int=number * 7919) for number in range(2000)]
    held = [sum(share.holds(one) for one in ids) for share in shares]
    assert sum(held) == len(ids)
    assert min(held) > 400
    # crc32 of it is 0xC5DEA02D: the remainder is 1, so the share is the second.
    assert Share(2, 4).holds(UUID("8b7e9c55-7c1d-4d3a-9a43-1f8a2f0c6c11"))


def test_lists_of_a_state_prepared_before_are_those_made_afresh() -> None:
    names = {name: Product(name) for name in "abcdefghij"}
    model = untrained(assortment_of(sorted(names), names))
    kept = customers(known(ANN, bought="abcab"), known(BEN, bought="cc"))
    recommender = Recommender(model)
    for placement in (Placement.FOR_YOU, Placement.DISCOVER, Placement.BUY_AGAIN, Placement.FOR_YOU):
        for whose in (ANN, BEN):
            found = kept.find(whose)
            assert found is not None
            for days in (10, 40):
                request = Request(placement, Context(day(days)), customer_id=str(whose))
                afresh = Recommender(model).recommend(request, Past(names=kept.names, columns=_columns(found)))
                assert recommender.recommend(request, kept.past(found)) == afresh


def _columns(found: Remembered) -> Columns:
    return Columns.of_bytes(found.packed)


@given(st.floats(0, 60))
def test_most_of_the_time_between_looks_at_changes_is_for_answers(look_seconds: float) -> None:
    pause = pause_after(look_seconds)
    assert PAUSE_SECONDS <= pause <= PAUSE_MAX_SECONDS
    assert pause >= min(2 * look_seconds, PAUSE_MAX_SECONDS)
