"""Segments as profile says them: kept in any order, gone with the person, used for whoever has no past yet."""

from itertools import permutations
from typing import Any

import pytest

from services.recommend.handlers import segments
from services.recommend.store.segments import MEMBERS_LEAST
from shared.clock import SystemClock
from tests.integration.recommend.conftest import Running, apply
from tests.integration.recommend.events import (
    ANN,
    BEN,
    assigned,
    bought,
    consent,
    coupon_issued,
    coupon_redeemed,
    erased,
    in_segment,
    product,
    subject,
)
from tests.integration.recommend.test_rules_routes import ids

pytestmark = pytest.mark.postgres
MEMBERS = [subject(f"member {n}") for n in range(MEMBERS_LEAST)]


@pytest.fixture
async def shop(recommend: Running) -> Running:
    """Twenty members of `young` buy p05 and p06; everybody else buys p01, much more of it. Ann bought nothing."""
    await recommend.apply(
        *(product(f"p{n:02d}", categories=("GROCERY", f"type {n % 3}")) for n in range(10)),
        *(in_segment(member, "young") for member in MEMBERS),
        *(
            bought(f"m{n}", member, n % 20 + 1, "p05", *(["p06"] if n % 2 else []))
            for n, member in enumerate(MEMBERS)
        ),
        *(bought(f"o{n}", subject(f"other {n % 9}"), n % 25 + 1, "p01", "p02") for n in range(60)),
    )
    await counted(recommend)
    return recommend


async def counted(recommend: Running) -> None:
    await segments.count_sales(recommend.database, SystemClock())
    await recommend.refresh()


async def first_of(recommend: Running, **changes: Any) -> tuple[list[str], set[str]]:
    asked: dict[str, Any] = {"customer_id": str(ANN), "limit": 2} | changes
    answer = await recommend.recommend(**asked)
    return ids(answer), {item["source"] for item in answer["items"]}


async def test_a_new_customer_in_a_segment_gets_what_it_buys(shop: Running) -> None:
    assert await first_of(shop) == (["p01", "p02"], {"popular"})
    await shop.apply(in_segment(ANN, "young"))
    assert await first_of(shop) == (["p05", "p06"], {"popular_in_segment"})
    answer = await shop.recommend(customer_id=str(ANN), limit=2)
    assert {item["reason"]["code"] for item in answer["items"]} == {"similar_customers"}
    assert answer["personalized"] is False
    assert await first_of(shop, personalized=False) == (["p01", "p02"], {"popular"})
    assert await first_of(shop, customer_id=str(BEN)) == (["p01", "p02"], {"popular"})


async def test_the_latest_word_on_a_segment_counts_in_whatever_order_it_comes(shop: Running) -> None:
    events = [in_segment(ANN, "young"), in_segment(ANN, "young", 2, left=True), in_segment(ANN, "young", 3)]
    found = []
    for order in permutations(events):
        async with shop.database.transaction() as tx:
            await tx.execute("DELETE FROM segment_memberships WHERE customer_id = $1", ANN)
        for event in (*order, *order):
            await apply(shop.database, [event])
        rows = await shop.database.fetch("SELECT * FROM segment_memberships WHERE customer_id = $1", ANN)
        found.append([dict(row) for row in rows])
    assert all(each == found[0] for each in found)
    assert (found[0][0]["n"], found[0][0]["is_member"]) == (3, True)
    await shop.apply(in_segment(ANN, "young", 4, left=True))
    assert await first_of(shop) == (["p01", "p02"], {"popular"})


async def test_a_merged_customers_segment_is_that_of_the_one_who_absorbed_it(shop: Running) -> None:
    await shop.apply(in_segment(BEN, "young"), assigned(ANN, BEN, 1), assigned(BEN, BEN, 1))
    assert (await first_of(shop))[0] == ["p05", "p06"]
    other = subject("a third card")
    await shop.apply(assigned(ANN, other, 2), assigned(BEN, other, 2), assigned(other, other, 1))
    assert (await first_of(shop))[0] == ["p05", "p06"]


async def test_whoever_withdrew_consent_is_in_no_segment_and_counts_in_none(shop: Running) -> None:
    await shop.apply(in_segment(ANN, "young"), consent(ANN, "withdrawn"))
    answer = await shop.recommend(customer_id=str(ANN), limit=2)
    assert (ids(answer), answer["missing"]) == (["p01", "p02"], ["consent_withdrawn"])
    await shop.apply(*(consent(member, "withdrawn") for member in MEMBERS))
    await counted(shop)
    assert await shop.database.fetch("SELECT FROM segment_sales") == []


async def test_an_erased_customer_is_in_no_segment_also_when_it_is_said_late(shop: Running) -> None:
    await shop.apply(in_segment(ANN, "young"))
    await shop.apply(erased(ANN))
    await shop.apply(in_segment(ANN, "young", 2), in_segment(ANN, "old"))
    rows = await shop.database.fetch("SELECT FROM segment_memberships WHERE customer_id = $1", ANN)
    assert rows == []


async def test_a_segment_of_few_says_nothing_of_them(shop: Running) -> None:
    await shop.apply(in_segment(MEMBERS[0], "young", 2, left=True), in_segment(MEMBERS[1], "rare"))
    await counted(shop)
    assert await shop.database.fetch("SELECT FROM segment_sales") == []


async def test_what_was_bought_long_ago_given_back_or_voided_counts_no_more(shop: Running) -> None:
    await shop.apply(bought("old", MEMBERS[0], 40, "p09"))
    await counted(shop)
    rows = await shop.database.fetch("SELECT product_id, purchases FROM segment_sales ORDER BY product_id")
    assert [(row["product_id"], row["purchases"]) for row in rows] == [("p05", 20), ("p06", 10)]


async def test_counting_again_changes_nothing(shop: Running) -> None:
    before = await shop.database.fetch("SELECT * FROM segment_sales ORDER BY 1, 2")
    await counted(shop)
    assert await shop.database.fetch("SELECT * FROM segment_sales ORDER BY 1, 2") == before


async def test_the_report_of_discounts_is_by_segment_too(shop: Running) -> None:
    await shop.apply(
        in_segment(ANN, "young"),
        in_segment(ANN, "coupon_users"),
        coupon_issued("one", ANN),
        coupon_redeemed("one", ANN, discount=22),
        coupon_issued("two", BEN),
    )
    body = (await shop.get("/v1/offers/report")).json()
    found = {
        (each["group"], each["currency"]): (each["customers"], each["coupons"], each["discount_minor"])
        for each in body["groups"]
        if each["by"] == "segment"
    }
    assert found["young", "CNY"] == found["coupon_users", "CNY"] == (1, 1, 22)
    assert found["young", None][0] == len(MEMBERS)
    assert found["none", None][2] == 0
