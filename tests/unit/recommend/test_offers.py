"""Personal offers: never a higher price, never outside of the coupon's time, what saves most first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.domain.offers import (
    Coupon,
    PersonalOffer,
    best_offer,
    offer_on,
    spread_over_coupons,
)
from services.recommend.domain.products import Product
from services.recommend.serving.offering import chances_of_buying

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MILK = Product("milk", department="DAIRY", category="MILK", product_type="WHOLE", price_minor=200, currency="CNY")


def coupon(**parts: object) -> Coupon:
    return replace(Coupon(uuid4(), "spring", "CNY", percent=10), **parts)  # type: ignore[arg-type]


moments = st.none() | st.integers(-3, 3).map(lambda hours: NOW + timedelta(hours=hours))
coupons = st.builds(
    Coupon,
    coupon_id=st.uuids(),
    campaign_id=st.just("c"),
    currency=st.sampled_from(["CNY", "EUR"]),
    percent=st.none() | st.integers(-50, 300),
    amount_minor=st.none() | st.integers(-500, 10_000),
    categories=st.frozensets(st.sampled_from(["DAIRY", "WHOLE", "BEER"]), max_size=2),
    product_ids=st.frozensets(st.sampled_from(["milk", "beer"]), max_size=2),
    starts_at=moments,
    expires_at=moments,
    uses_max=st.integers(1, 2),
    used=st.integers(0, 3),
)


@given(price=st.integers(0, 10**9), given_coupons=st.lists(coupons, max_size=5))
def test_nobody_is_ever_asked_for_more_than_the_shelf_price(price: int, given_coupons: list[Coupon]) -> None:
    product = replace(MILK, price_minor=price)
    found = best_offer(given_coupons, product, NOW)
    if found is not None:
        assert 0 <= found.price_minor < found.shelf_price_minor == price
        assert found.discount_minor == price - found.price_minor > 0


@given(one=coupons)
def test_coupon_is_shown_only_while_it_works(one: Coupon) -> None:
    found = offer_on(one, MILK, NOW)
    if found is not None:
        assert one.starts_at is None or one.starts_at <= NOW
        assert one.expires_at is None or one.expires_at > NOW
        assert one.used < one.uses_max
        assert one.currency == MILK.currency
        named = one.categories | one.product_ids
        assert not named or named & {"milk", "DAIRY", "WHOLE"}


def test_offer_above_the_shelf_price_cannot_even_be_made() -> None:
    with pytest.raises(ValueError, match="between nothing and 200"):
        PersonalOffer(uuid4(), "c", "milk", "CNY", shelf_price_minor=200, price_minor=201)


@pytest.mark.parametrize(("hours", "works"), [(-1, False), (0, True), (1, True), (2, False)])
def test_time_includes_the_start_and_excludes_the_end(hours: int, works: bool) -> None:  # noqa: FBT001
    one = coupon(starts_at=NOW, expires_at=NOW + timedelta(hours=2))
    assert (offer_on(one, MILK, NOW + timedelta(hours=hours)) is not None) is works


def test_percentages_are_rounded_down_and_amounts_stop_at_the_price() -> None:
    assert coupon(percent=33).discount_minor(199) == 65
    assert coupon(percent=None, amount_minor=500).discount_minor(199) == 199


def test_product_without_a_price_or_in_another_currency_has_no_offer() -> None:
    assert offer_on(coupon(), replace(MILK, price_minor=None), NOW) is None
    assert offer_on(coupon(), replace(MILK, currency="EUR"), NOW) is None


def test_coupon_is_for_its_products_beside_those_of_its_categories() -> None:
    narrow = coupon(product_ids=frozenset({"beer"}), categories=frozenset({"WHOLE"}))
    assert narrow.covers(MILK)
    assert narrow.covers(replace(MILK, product_id="beer", product_type="ALE"))
    assert not narrow.covers(replace(MILK, product_id="tea", product_type="TEA"))


def test_largest_discount_wins_then_what_expires_first() -> None:
    large, soon, late = (
        coupon(percent=30),
        coupon(expires_at=NOW + timedelta(1)),
        coupon(expires_at=NOW + timedelta(9)),
    )
    found = best_offer([late, large, soon], MILK, NOW)
    assert found is not None
    assert found.coupon_id == large.coupon_id
    found = best_offer([coupon(), late, soon], MILK, NOW)
    assert found is not None
    assert found.coupon_id == soon.coupon_id


def test_chance_lies_between_the_own_rate_and_everybodys() -> None:
    found = chances_of_buying(np.array([0.0, 10.0]), 10.0, np.array([0.3, 0.0]))
    assert found.tolist() == pytest.approx([0.1, 10 / 15])
    assert chances_of_buying(np.array([0.0]), 0.0, np.array([0.3])).tolist() == pytest.approx([0.3])


def test_every_coupon_is_shown_once_before_any_twice() -> None:
    a, b = UUID(int=1), UUID(int=2)
    assert spread_over_coupons([(10, a), (11, a), (12, a), (13, b)]) == [10, 13, 11, 12]
