"""A request that names a store closed for good: answered as without a store, and told."""

import pytest

from services.recommend.domain.requests import Placement
from tests.integration.recommend.conftest import Running
from tests.integration.recommend.events import ANN, bought, product, stock, store_described, subject
from tests.integration.recommend.test_rules_routes import ids, pin, written

pytestmark = pytest.mark.postgres


@pytest.fixture
async def shop(recommend: Running) -> Running:
    """S01 sells p01 most and is out of p02; S02 sells p03 most. S01 is closed."""
    await recommend.apply(
        *(product(f"p{n:02d}", categories=("GROCERY", f"type {n % 3}")) for n in range(8)),
        *(bought(f"s{n}", subject(f"guest {n}"), n, "p01", "p04", store="S01") for n in range(6)),
        *(bought(f"t{n}", subject(f"guest {n}"), n, "p03", "p05", store="S02") for n in range(9)),
        bought("t9", subject("guest 9"), 1, "p03", store="S02"),
        bought("a", ANN, 3, "p02", store="S02"),
        stock("p02", "0", store="S01"),
        store_described("S01", is_open=False),
        store_described("S02"),
    )
    await recommend.refresh()
    return recommend


@pytest.mark.parametrize("placement", list(Placement))
async def test_a_closed_store_is_left_aside_by_every_placement_and_told(shop: Running, placement: Placement) -> None:
    context = {"items": ["p06"]}
    closed = await shop.recommend(placement.value, customer_id=str(ANN), context=context | {"store_id": "S01"})
    without = await shop.recommend(placement.value, customer_id=str(ANN), context=context)
    assert closed["missing"] == ["store_closed"]
    assert without["missing"] == []
    assert ids(closed) == ids(without)
    assert [item["reason"]["text"] for item in closed["items"]] == [
        item["reason"]["text"] for item in without["items"]
    ]


async def test_what_a_closed_store_lacked_or_sold_best_says_nothing(shop: Running) -> None:
    answer = await shop.recommend(context={"store_id": "S01"}, limit=2)
    assert set(ids(answer)) == {"p03", "p05"}
    assert "popular_in_store" not in {item["source"] for item in answer["items"]}
    again = await shop.recommend("buy-again", customer_id=str(ANN), context={"store_id": "S01"}, limit=1)
    assert ids(again) == ["p02"]


async def test_open_stores_and_stores_nobody_described_are_as_ever(shop: Running) -> None:
    for store_id, first in (("S02", "p03"), ("S99", "p03")):
        answer = await shop.recommend(context={"store_id": store_id}, limit=1)
        assert (ids(answer), answer["missing"]) == ([first], [])


async def test_a_store_that_opens_again_counts_from_the_next_refresh(shop: Running) -> None:
    await shop.apply(store_described("S01", days=0.5))
    await shop.refresh()
    answer = await shop.recommend(context={"store_id": "S01"}, limit=2)
    assert (set(ids(answer)), answer["missing"]) == ({"p01", "p04"}, [])


async def test_rules_of_a_closed_store_hold_no_more(shop: Running) -> None:
    await written(shop, **pin("p07", 1, scope={"store_ids": ["S01"]}))
    assert ids(await shop.recommend(context={"store_id": "S01"}, limit=2))[0] != "p07"


async def test_a_page_says_it_on_every_list(shop: Running) -> None:
    body = {
        "session_id": "s1",
        "context": {"store_id": "S01", "items": ["p06"]},
        "placements": [{"placement": "for-you"}, {"placement": "trending"}],
    }
    found = (await shop.post("/v1/recommendations:batch", body)).json()["results"]
    assert [each["missing"] for each in found] == [["store_closed"], ["store_closed"]]


async def test_a_store_that_closes_is_left_aside_though_nothing_else_changed(shop: Running) -> None:
    assert (await shop.recommend(context={"store_id": "S02"}))["missing"] == []
    await shop.apply(store_described("S02", days=0.5, is_open=False))
    await shop.refresh()
    assert (await shop.recommend(context={"store_id": "S02"}))["missing"] == ["store_closed"]
