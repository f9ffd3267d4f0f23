"""Promotions: only what is truly cheaper than usual, from its first moment until just before its last."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.domain.promotions import PricePeriod, promotions_at
from services.recommend.generators.promotions import Promotions
from tests.unit.recommend.factories import day

STANDING = PricePeriod("milk", None, 200, day(0))
WEEK = PricePeriod("milk", None, 150, day(10), day(17))
INSTANT = timedelta(microseconds=1)


def percent(*periods: PricePeriod, at: float = 12, store: str | None = None) -> int | None:
    found = promotions_at(periods, store, day(at)).get("milk")
    return None if found is None else found.percent


def test_a_temporary_lower_price_is_an_offer() -> None:
    found = promotions_at([STANDING, WEEK], "S1", day(12))["milk"]
    assert (found.price_minor, found.usual_price_minor, found.percent, found.until_at) == (150, 200, 25, day(17))


def test_it_runs_from_its_first_moment_until_just_before_its_end() -> None:
    for moment, is_on in ((day(10) - INSTANT, False), (day(10), True), (day(17) - INSTANT, True), (day(17), False)):
        assert ("milk" in promotions_at([STANDING, WEEK], None, moment)) is is_on
        assert ("milk" in Promotions([STANDING, WEEK]).at(None, moment)) is is_on


def test_without_a_usual_price_nobody_can_say_what_is_saved() -> None:
    assert percent(WEEK) is None


def test_a_higher_temporary_price_and_a_standing_lower_one_are_no_offers() -> None:
    assert percent(STANDING, PricePeriod("milk", None, 250, day(10), day(17))) is None
    assert percent(STANDING, PricePeriod("milk", None, 150, day(10))) is None


def test_less_than_a_percent_is_not_said() -> None:
    assert percent(STANDING, PricePeriod("milk", None, 199, day(10), day(17))) is None
    assert percent(STANDING, PricePeriod("milk", None, 198, day(10), day(17))) == 1


def test_the_usual_price_is_the_standing_one_that_began_last() -> None:
    assert percent(STANDING, PricePeriod("milk", None, 160, day(5)), WEEK) == 6


def test_a_store_has_its_own_offers_and_its_own_usual_price() -> None:
    local = PricePeriod("milk", "S1", 100, day(10), day(17))
    assert percent(STANDING, local, store="S1") == 50
    assert percent(STANDING, local, store="S2") is None
    assert percent(STANDING, local) is None
    assert percent(STANDING, local, PricePeriod("milk", "S1", 125, day(1)), store="S1") == 20


def test_a_stores_own_standing_price_outweighs_the_chains_offer() -> None:
    assert percent(STANDING, WEEK, PricePeriod("milk", "S1", 180, day(1)), store="S1") is None


def test_before_any_price_began_nothing_is_on_offer() -> None:
    known = Promotions([STANDING, WEEK])
    assert known.span("S1", day(-1)) is None
    assert known.at("S1", day(-1)) == Promotions().at("S1", day(12)) == {}


def test_stores_without_prices_of_their_own_are_all_alike() -> None:
    known = Promotions([STANDING, WEEK, PricePeriod("tea", "S1", 80, day(1))])
    assert known.span("S2", day(12)) == known.span(None, day(12)) != known.span("S1", day(12))
    assert known.at("S2", day(12)) is known.at(None, day(12))
    assert known.at("S1", day(12)) == known.at(None, day(12))


moments = st.integers(0, 30).map(day)
periods = st.builds(
    PricePeriod,
    st.sampled_from(["milk", "tea"]),
    st.sampled_from([None, "S1", "S2"]),
    st.integers(0, 300),
    moments,
    st.none() | moments,
)


@given(st.lists(periods, max_size=12), st.sampled_from([None, "S1", "S3"]), moments, st.sampled_from([-1, 0, 1]))
def test_no_offer_is_over_or_dearer_whatever_the_prices(
    given_periods: list[PricePeriod], store: str | None, at: datetime, nudge: int
) -> None:
    now = at + nudge * INSTANT
    found = Promotions(given_periods).at(store, now)
    assert found == promotions_at(given_periods, store, now)
    for name, offer in found.items():
        assert now < offer.until_at
        assert 0 <= offer.price_minor < offer.usual_price_minor
        assert any(
            each.product_id == name and each.price_minor == offer.price_minor and each.holds_at(now)
            for each in given_periods
        )


@given(st.lists(periods, max_size=8).flatmap(lambda made: st.tuples(st.just(made), st.permutations(made))))
def test_the_order_of_arrival_changes_nothing(both: tuple[list[PricePeriod], list[PricePeriod]]) -> None:
    one, other = both
    assert promotions_at(one, "S1", day(12)) == promotions_at(other, "S1", day(12))


@pytest.mark.parametrize("store", ["S1", None])
def test_many_moments_are_worked_out_once(store: str | None) -> None:
    known = Promotions([STANDING, WEEK])
    assert known.at(store, day(11)) is known.at(store, day(16))
