"""Coupons as campaign says them become a list of what they are for, and a report of who got how much off."""

import asyncio
from itertools import permutations
from typing import Any

import pytest

from services.recommend.serving.wallets import Wallets
from tests.integration.recommend.conftest import Running, apply
from tests.integration.recommend.events import (
    ANN,
    BEN,
    NOW,
    ago,
    assigned,
    bought,
    consent,
    coupon_issued,
    coupon_redeemed,
    erased,
    price,
    product,
    subject,
)

pytestmark = pytest.mark.postgres
CARD, OTHER_CARD = ({"namespace": "loyalty_card", "value": value} for value in ("1001", "1002"))


@pytest.fixture
async def shop(recommend: Running) -> Running:
    described = [product(f"p{n:02d}", categories=("GROCERY", f"type {n % 3}")) for n in range(9)]
    prices = [price(f"p{n:02d}", 100 + 10 * n) for n in range(9)]
    sold = [bought(f"s{n}", subject(f"other {n}"), n, f"p{n % 9:02d}") for n in range(18)]
    own = [bought(f"a{n}", ANN, 7 * n + 3, "p01", "p04") for n in range(5)]
    theirs = [bought(f"b{n}", BEN, 7 * n + 3, "p02", "p05") for n in range(5)]
    await recommend.apply(*described, *prices, *sold, *own, *theirs)
    await recommend.refresh()
    return recommend


async def offered(shop: Running, card: dict[str, str] | None = CARD, **body: Any) -> dict[str, dict[str, Any]]:
    who = {} if card is None else {"identifier": card}
    answer = await shop.recommend("campaign", **who, **{"limit": 4} | body)
    return {item["id"]: item["offer"] for item in answer["items"] if item["offer"]}


async def test_valid_coupon_is_shown_on_its_product_with_both_prices(shop: Running) -> None:
    await shop.apply(coupon_issued("one", ANN))
    answer = await shop.recommend("campaign", identifier=CARD, limit=4)
    first = answer["items"][0]
    assert (first["id"], first["source"], first["reason"]["code"]) == ("p01", "coupon", "coupon")
    assert (first["offer"]["shelf_price_minor"], first["offer"]["price_minor"]) == (110, 88)
    assert first["reason"]["text"] == "your coupon takes 0.22 CNY off"
    assert first["product"]["price_minor"] == 110
    assert len(answer["items"]) == 4, "a list is filled beyond what is on offer"
    chinese = await shop.post("/v1/recommendations/campaign", {"identifier": CARD}, **{"Accept-Language": "zh"})
    assert chinese.json()["items"][0]["reason"]["text"] == "您的优惠券可减0.22 CNY"


@pytest.mark.parametrize(
    "parts",
    [
        {"expires_at": ago(0.001)},
        {"starts_at": ago(-1)},
        {"offer": None},
        {"offer": {"percent": 20, "currency": "EUR", "product_ids": ["p01"]}},
        {"offer": {"percent": 20, "currency": "CNY", "product_ids": ["unheard of"]}},
    ],
)
async def test_coupon_that_would_not_work_is_not_shown(shop: Running, parts: dict[str, Any]) -> None:
    await shop.apply(coupon_issued("one", ANN, **parts))
    assert await offered(shop) == {}
    assert (await shop.recommend("campaign", identifier=CARD))["items"]


async def test_coupon_is_one_persons_and_goes_with_them_when_customers_are_merged(shop: Running) -> None:
    await shop.apply(coupon_issued("one", ANN))
    assert await offered(shop, OTHER_CARD) == {}
    assert await offered(shop, None) == {}
    assert await offered(shop, CARD, personalized=False) == {}
    await shop.apply(assigned(ANN, BEN, 1))
    assert set(await offered(shop, OTHER_CARD)) == {"p01"}


async def test_used_coupon_is_gone_and_comes_back_when_the_redemption_is_rolled_back(shop: Running) -> None:
    await shop.apply(coupon_issued("one", ANN))
    await shop.apply(coupon_redeemed("one", ANN))
    assert await offered(shop) == {}
    await shop.apply(coupon_redeemed("one", ANN, n=2))
    assert set(await offered(shop)) == {"p01"}


async def test_withdrawn_consent_and_erasure_leave_no_offer(shop: Running) -> None:
    await shop.apply(coupon_issued("one", ANN), coupon_issued("two", BEN))
    await shop.apply(consent(ANN, "withdrawn"))
    assert await offered(shop) == {}
    await shop.apply(erased(BEN))
    await shop.apply(coupon_issued("late", BEN), coupon_redeemed("late", BEN))
    async with shop.database.session() as session:
        rows = await session.fetch("SELECT customer_id FROM coupons UNION ALL SELECT customer_id FROM redemptions")
    assert [row["customer_id"] for row in rows] == [ANN]


async def test_coupons_and_redemptions_are_the_same_in_any_order(shop: Running) -> None:
    events = [coupon_issued("one", ANN), *(coupon_redeemed("one", ANN, n=n) for n in (1, 2, 3))]
    seen = []
    for order in permutations(events):
        async with shop.database.transaction() as tx:
            await tx.execute("DELETE FROM coupons")
            await tx.execute("DELETE FROM redemptions")
        for event in order:
            await apply(shop.database, [event])
        await apply(shop.database, order)
        async with shop.database.session() as session:
            tables = [await session.fetch(f"SELECT * FROM {name}") for name in ("coupons", "redemptions")]
        seen.append([[dict(row) for row in rows] for rows in tables])
    assert all(each == seen[0] for each in seen)
    assert seen[0][1][0]["n"] == 3


async def test_hard_limits_hold_for_offers_too(shop: Running) -> None:
    await shop.apply(coupon_issued("one", ANN))
    assert await offered(shop, filters={"exclude_ids": ["p01"]}) == {}
    assert await offered(shop, filters={"price_max_minor": 105}) == {}


async def test_coupons_that_come_too_late_leave_a_list_without_offers(shop: Running) -> None:
    await shop.apply(coupon_issued("one", ANN))
    shop.desk.wallets = Wallets(shop.database, timeout_seconds=0.0)
    answer = await shop.recommend("campaign", identifier=CARD)
    assert answer["items"]
    assert all(item["offer"] is None for item in answer["items"])
    assert answer["missing"] == ["coupons_away"]


async def test_report_says_who_got_how_much_off(shop: Running) -> None:
    await shop.apply(
        coupon_issued("one", ANN), coupon_issued("two", BEN), coupon_redeemed("one", ANN, discount=22, store="S02")
    )
    body = (await shop.get("/v1/offers/report")).json()
    groups = {(each["by"], each["group"], each["currency"]): each for each in body["groups"]}
    assert groups["store", "S02", "CNY"]["discount_minor"] == 22
    buyers = [each for each in body["groups"] if each["by"] == "buyers"]
    assert sum(each["coupons"] for each in buyers) == 2
    assert sum(each["discount_minor"] for each in buyers) == 22
    assert {each["group"] for each in buyers} == {"light", "middle", "heavy"}
    (heavy,) = [each for each in buyers if each["group"] == "heavy" and each["currency"] == "CNY"]
    assert (heavy["customers"], heavy["redemptions"], heavy["discount_per_customer_minor"]) == (1, 1, 22)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "invalid_request"),
        ("since=2020-01-01T00:00:00Z", "invalid_request"),
        ("until=0001-01-01T00:00:00Z", "invalid_input"),
    ],
)
async def test_report_of_an_impossible_period_is_refused(shop: Running, query: str, code: str) -> None:
    refused = await shop.get(f"/v1/offers/report?{query}")
    assert (refused.status_code, refused.json()["code"]) == (422, code)


async def test_nobody_sees_anything_of_another_customer_however_their_requests_interleave(shop: Running) -> None:
    """Ann buys p01 and p04, Ben p02 and p05; each has a coupon of their own."""
    await shop.apply(
        coupon_issued("one", ANN),
        coupon_issued("two", BEN, offer={"percent": 50, "currency": "CNY", "product_ids": ["p02"]}),
    )
    alone = {card["value"]: await _everything(shop, card) for card in (CARD, OTHER_CARD)}
    assert alone["1001"] != alone["1002"]
    for _ in range(3):
        cards = [CARD, OTHER_CARD] * 6
        found = await asyncio.gather(*(_everything(shop, card) for card in cards))
        for card, lists in zip(cards, found, strict=True):
            assert lists == alone[card["value"]]
    for card, theirs in ((CARD, {"p02", "p05"}), (OTHER_CARD, {"p01", "p04"})):
        again = await shop.recommend("buy-again", identifier=card, limit=2)
        assert {item["id"] for item in again["items"]}.isdisjoint(theirs)
        own_reasons = {"due", "bought_often", "bought_before"}
        for each in alone[card["value"]].values():
            assert {item["id"] for item in each if item["reason"]["code"] in own_reasons}.isdisjoint(theirs)


async def _everything(shop: Running, card: dict[str, str]) -> dict[str, Any]:
    names = ("for-you", "buy-again", "discover", "campaign")
    asked = {"identifier": card, "limit": 5, "context": {"now": NOW.isoformat()}}
    lists = await asyncio.gather(*(shop.recommend(name, **asked) for name in names))
    return {name: answer["items"] for name, answer in zip(names, lists, strict=True)}
