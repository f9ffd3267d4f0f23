"""States, draws, consent, coupons and tiers."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.domain.audience import Arm, Consent, draw, may_be_sent
from services.campaign.domain.campaigns import (
    TRANSITIONS,
    Action,
    Offer,
    State,
    allowed_actions,
    state_after,
)
from services.campaign.domain.coupons import (
    Coupon,
    Order,
    OrderLine,
    Reason,
    code_as_typed,
    code_from,
    discount_minor,
    judge,
)
from services.campaign.domain.tiers import TIERS, tier_of

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def offer(**changed: object) -> Offer:
    return Offer(**{"valid_from": NOW, "valid_until": NOW + DAY, "amount_minor": 500, **changed})  # type: ignore[arg-type]


# States.


def test_every_pair_of_state_and_action_is_decided() -> None:
    decided = {pair: state_after(*pair) for pair in itertools.product(State, Action)}
    assert sum(state is None for state in decided.values()) == 10
    assert all(decided[pair] is state for pair, state in TRANSITIONS.items())


def test_a_stopped_campaign_stays_stopped() -> None:
    assert allowed_actions(State.STOPPED) == []
    assert state_after(State.STOPPED, Action.STOP) is State.STOPPED


def test_nothing_starts_without_approval() -> None:
    assert state_after(State.DRAFT, Action.START) is None


# Draws.


def test_a_draw_is_the_same_for_ever_and_in_any_order() -> None:
    seed, people = b"s" * 32, [uuid4() for _ in range(200)]
    first = {person: draw(seed, person, 0.3) for person in people}
    assert {person: draw(seed, person, 0.3) for person in reversed(people)} == first


def test_a_draw_is_as_large_as_planned_and_another_seed_is_another_draw() -> None:
    numbers = random.Random(5)
    people = [UUID(int=numbers.getrandbits(128)) for _ in range(20_000)]
    one, other = (
        {person for person in people if draw(seed, person, 0.2) is Arm.HOLD_OUT} for seed in (b"a" * 32, b"b" * 32)
    )
    # Five standard deviations of the binomial.
    for held in (one, other):
        assert abs(len(held) - 4000) < 5 * 56.6
    assert abs(len(one & other) - 800) < 5 * 27.7


@pytest.mark.parametrize(("share", "arm"), [(0.0, Arm.TREATED), (1.0, Arm.HOLD_OUT)])
def test_a_share_of_nobody_or_everybody_is_exactly_that(share: float, arm: Arm) -> None:
    assert {draw(b"s" * 32, uuid4(), share) for _ in range(100)} == {arm}


# Consent.


def said(channel: str, state: str, days: int = 0) -> Consent:
    return Consent(channel, state, NOW + days * DAY, uuid4())


@pytest.mark.parametrize(
    ("consents", "file", "email"),
    [
        ([], True, True),
        ([said("any", "withdrawn")], False, False),
        ([said("sms", "withdrawn")], False, True),
        ([said("email", "withdrawn")], False, False),
        ([said("any", "withdrawn"), said("any", "granted", 1)], True, True),
        ([said("any", "granted", 1), said("any", "withdrawn", 2)], False, False),
        ([said("any", "withdrawn"), said("email", "granted", 1)], False, True),
    ],
)
def test_the_latest_word_on_each_channel_counts(consents: list[Consent], file: bool, email: bool) -> None:  # noqa: FBT001
    for order in itertools.permutations(consents):
        assert may_be_sent(order, "file") is file
        assert may_be_sent(order, "email") is email


def test_of_linked_subjects_the_strictest_speaks_for_all() -> None:
    """What one of them withdrew does not come back because another, even later, granted it."""
    phone, card = uuid4(), uuid4()
    withdrawn = Consent("any", "withdrawn", NOW, uuid4(), phone)
    granted = Consent("email", "granted", NOW + DAY, uuid4(), card)
    assert may_be_sent([granted], "email")
    assert not may_be_sent([withdrawn, granted], "email")
    again = Consent("any", "granted", NOW + 2 * DAY, uuid4(), phone)
    assert may_be_sent([withdrawn, granted, again], "email")


# Coupons.


@given(st.integers(0, 10**12), st.integers(1, 100))
def test_a_percentage_is_half_up_and_never_more_than_the_amount(eligible_minor: int, percent: int) -> None:
    taken = discount_minor(offer(amount_minor=None, percent=percent), eligible_minor)
    assert 0 <= taken <= eligible_minor
    assert abs(taken * 100 - eligible_minor * percent) <= 50
    if (eligible_minor * percent) % 100 == 50:
        assert taken * 100 > eligible_minor * percent


@pytest.mark.parametrize(("eligible_minor", "expected"), [(10, 2), (9, 1), (3, 0), (4, 1), (0, 0)])
def test_a_percentage_of_small_amounts(eligible_minor: int, expected: int) -> None:
    assert discount_minor(offer(amount_minor=None, percent=15), eligible_minor) == expected


def test_an_amount_is_no_more_than_what_it_is_taken_off() -> None:
    assert discount_minor(offer(), 499) == 499
    assert discount_minor(offer(), 501) == 500


def test_an_offer_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="percentage or an amount"):
        discount_minor(offer(amount_minor=None), 100)


HOLDER = uuid4()
ORDER = Order("S01", "CNY", (OrderLine("P1", 1000), OrderLine("P2", 2000)))


def verdict(coupon_offer: Offer, **changed: object) -> tuple[int, Reason | None]:
    flags = {name: changed.pop(name) for name in ("is_withdrawn", "is_exhausted") if name in changed}
    coupon = Coupon(uuid4(), uuid4(), HOLDER, "CODE", coupon_offer, "CNY", **flags)  # type: ignore[arg-type]
    asked: dict[str, object] = {"customer_id": None, "product_ids": None, "payable_minor": 3000, "now": NOW}
    order = changed.pop("order", ORDER)
    found = judge(coupon, order, **{**asked, **changed})  # type: ignore[arg-type]
    return found.discount_minor, found.reason


@pytest.mark.parametrize(
    ("changed_offer", "changed", "expected"),
    [
        ({}, {}, (500, None)),
        ({}, {"customer_id": HOLDER}, (500, None)),
        ({}, {"customer_id": uuid4()}, (0, Reason.WRONG_CUSTOMER)),
        ({}, {"now": NOW - timedelta(seconds=1)}, (0, Reason.NOT_YET_VALID)),
        ({}, {"now": NOW + DAY}, (0, Reason.EXPIRED)),
        ({}, {"is_withdrawn": True}, (0, Reason.WITHDRAWN)),
        ({}, {"is_exhausted": True}, (0, Reason.LIMIT_REACHED)),
        ({"min_basket_minor": 3001}, {}, (0, Reason.MIN_BASKET_NOT_MET)),
        ({"min_basket_minor": 3000}, {}, (500, None)),
        ({}, {"order": Order("S01", "USD", ORDER.lines)}, (0, Reason.WRONG_CURRENCY)),
        ({}, {"product_ids": set()}, (0, Reason.NOT_APPLICABLE)),
        ({"amount_minor": None, "percent": 50}, {"product_ids": {"P2"}}, (1000, None)),
        ({}, {"payable_minor": 120}, (120, None)),
        ({}, {"payable_minor": 0}, (0, None)),
    ],
)
def test_a_coupon_is_judged(
    changed_offer: dict[str, object], changed: dict[str, object], expected: tuple[int, Reason | None]
) -> None:
    assert verdict(offer(**changed_offer), **changed) == expected


@given(st.binary(min_size=8, max_size=8))
def test_a_code_is_read_as_it_was_meant_however_it_is_typed(random_bytes: bytes) -> None:
    code = code_from(random_bytes)
    assert not set(code) & set("ILOU")
    assert code_as_typed(code) == code
    assert code_as_typed(code.replace("-", " ").lower()) == code
    assert code_as_typed(code.replace("0", "O").replace("1", "l")) == code


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_codes_differ_where_their_sixty_bits_do(one: bytes, other: bytes) -> None:
    same = (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")) % 2**60 == 0
    assert (code_from(one) == code_from(other)) is same


# Tiers.


def test_tiers_begin_where_their_table_says() -> None:
    for below, tier in itertools.pairwise(TIERS):
        assert tier_of(tier.from_growth - 1) == (below, tier)
        assert tier_of(tier.from_growth)[0] == tier
    assert tier_of(10**9) == (TIERS[-1], None)
    assert tier_of(-5)[0] == TIERS[0]
