"""Lists answered directly, and given again, are those that the long way makes."""

import asyncio
from typing import Any
from uuid import UUID, uuid5

import orjson
import pytest

from services.recommend.api import direct_routes
from services.recommend.domain.requests import Placement
from services.recommend.schemas.lists import RecommendOut
from tests.fixtures.twins import JSON, ODD_BODIES, both_ways
from tests.integration.recommend.conftest import Running
from tests.integration.recommend.events import ANN, BEN, ago, assigned, bought, consent, price, product, stock

pytestmark = pytest.mark.postgres


async def fill(running: Running) -> None:
    await running.apply(*(product(f"p{n}") for n in range(30)), price("p1", 250))
    await running.apply(*(bought(f"a{n}", ANN, n + 1, "p1", f"p{n}") for n in range(8)))
    await running.apply(*(bought(f"b{n}", BEN, n + 1, "p20", f"p{n + 20}") for n in range(8)))
    await running.refresh()
    await running.desk.following.look()


def lists_made(running: Running) -> int:
    return len(running.desk.live.now.given)


def test_every_placement_has_a_direct_way() -> None:
    assert direct_routes().paths == {f"/v1/recommendations/{each.value}" for each in Placement}


@pytest.mark.parametrize("placement", Placement)
async def test_both_ways_to_a_list_give_the_same(recommend: Running, placement: Placement) -> None:
    await fill(recommend)
    body = {"customer_id": str(ANN), "context": {"items": ["p2"], "store_id": "S01"}, "limit": 5}
    direct, documented = await both_ways(
        recommend.app, f"/v1/recommendations/{placement.value}", orjson.dumps(body), recommend.admin_key, JSON
    )
    assert direct.status_code == documented.status_code == 200
    assert direct.headers["content-type"] == documented.headers["content-type"] == "application/json"
    assert _but_its_id(direct.json()) == _but_its_id(documented.json())
    RecommendOut.model_validate(direct.json(), strict=False, extra="forbid")
    assert set(direct.json()) == set(RecommendOut.model_fields)


def _but_its_id(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "request_id"}


@pytest.mark.parametrize(("body", "headers", "status"), ODD_BODIES)
async def test_both_ways_refuse_odd_bodies_in_the_same_words(
    recommend: Running, body: bytes, headers: dict[str, str], status: int
) -> None:
    direct, documented = await both_ways(
        recommend.app, "/v1/recommendations/for-you", body, recommend.admin_key, headers
    )
    assert direct.status_code == documented.status_code
    # An empty question is a question here: nobody in particular.
    assert direct.status_code == (200 if body == b"{}" else status)
    if direct.status_code != 200:
        assert direct.json() == documented.json()


async def test_the_direct_way_asks_for_a_key_and_for_its_stores(recommend: Running) -> None:
    path, body = "/v1/recommendations/trending", orjson.dumps({"context": {"store_id": "S02"}})
    for key, status in (("rgl_nobodys", 401), (recommend.store_key, 403)):
        direct, documented = await both_ways(recommend.app, path, body, key, JSON)
        assert (direct.status_code, direct.json()) == (documented.status_code, documented.json())
        assert direct.status_code == status


async def test_reasons_are_in_the_language_asked_for_on_the_direct_way_too(recommend: Running) -> None:
    await fill(recommend)
    body = orjson.dumps({"customer_id": str(ANN), "limit": 1})
    for language in ("zh-CN,zh;q=0.9", "en", "de, zh;q=0.5"):
        headers = {**JSON, "Accept-Language": language}
        both = await both_ways(recommend.app, "/v1/recommendations/buy-again", body, recommend.admin_key, headers)
        first, second = (each.json()["items"][0]["reason"]["text"] for each in both)
        assert first == second
        assert first.isascii() == (language == "en")


async def test_an_unchanged_customer_gets_the_same_list_without_its_being_made_again(recommend: Running) -> None:
    await fill(recommend)
    first = await recommend.recommend(customer_id=str(ANN), limit=5)
    made = lists_made(recommend)
    second = await recommend.recommend(customer_id=str(ANN), limit=5)
    assert lists_made(recommend) == made
    assert first["request_id"] != second["request_id"]
    assert _but_its_id(first) == _but_its_id(second)
    without = await recommend.recommend(customer_id=str(ANN), limit=5, include=[])
    assert [(item["reason"], item["product"]) for item in without["items"]] == [(None, None)] * 5


async def test_what_changes_a_customer_or_the_shelf_makes_another_list(recommend: Running) -> None:
    await fill(recommend)
    before = [item["id"] for item in (await recommend.recommend("buy-again", customer_id=str(ANN), limit=8))["items"]]
    await recommend.apply(*(bought(f"n{n}", ANN, 0.1 * n, "p29") for n in range(1, 9)))
    after = await recommend.recommend("buy-again", customer_id=str(ANN), limit=8)
    ids = [item["id"] for item in after["items"]]
    assert ids != before
    assert "p29" in ids
    in_store = {"store_id": "S01"}
    shown = await recommend.recommend("buy-again", customer_id=str(ANN), limit=8, context=in_store)
    assert "p29" in {item["id"] for item in shown["items"]}
    await recommend.apply(stock("p29", "0"))
    await recommend.refresh()
    shown = await recommend.recommend("buy-again", customer_id=str(ANN), limit=8, context=in_store)
    assert "p29" not in {item["id"] for item in shown["items"]}
    await recommend.apply(consent(ANN, "withdrawn"))
    refused = await recommend.recommend("buy-again", customer_id=str(ANN), limit=8, context=in_store)
    assert (refused["personalized"], refused["missing"]) == (False, ["consent_withdrawn"])


async def test_a_shelf_on_which_nothing_changed_keeps_its_lists(recommend: Running) -> None:
    await fill(recommend)
    await recommend.recommend(customer_id=str(ANN), limit=5)
    present = recommend.desk.live.now
    await recommend.refresh()
    assert recommend.desk.live.now.recommender is present.recommender
    assert recommend.desk.live.now.as_of != present.as_of
    assert lists_made(recommend) == 1
    await recommend.apply(price("p1", 251, days=1))
    await recommend.refresh()
    assert lists_made(recommend) == 0


async def test_an_offer_of_one_store_is_taken_up_though_nothing_else_changed(recommend: Running) -> None:
    await fill(recommend)
    assert not recommend.desk.live.now.recommender.shelves.promotions.at("S01", ago(0))
    offer = {"store_id": "S01", "valid_from_at": ago(1), "valid_until_at": ago(-1)}
    await recommend.apply(price("p30", 500, days=20, store_id="S01"), price("p30", 100, days=1, **offer))
    await recommend.refresh()
    assert set(recommend.desk.live.now.recommender.shelves.promotions.at("S01", ago(0))) == {"p30"}


async def test_nobody_gets_anothers_list_however_requests_are_mixed(recommend: Running) -> None:
    await fill(recommend)
    third = uuid5(UUID(int=1), "nobody")
    whose = {ANN: {f"p{n}" for n in range(8)}, BEN: {f"p{n}" for n in range(20, 28)}}

    async def ask(person: UUID) -> tuple[UUID, dict[str, Any]]:
        return person, await recommend.recommend("buy-again", customer_id=str(person), limit=6)

    for _ in range(3):
        answered = await asyncio.gather(*(ask(person) for person in (ANN, BEN, third) * 5))
        for person, answer in answered:
            own = {item["id"] for item in answer["items"] if item["source"] in {"ranked", "own_products"}}
            assert answer["customer_id"] == str(person)
            assert own <= whose.get(person, set())
            assert bool(own) == (person in whose)
        await recommend.apply(bought(f"x{_}", ANN, 0.5, "p1"), assigned(BEN, BEN, _ + 1))


async def test_goods_stay_while_no_product_changes_and_those_left_behind_are_let_go(recommend: Running) -> None:
    await recommend.apply(product("p1"), product("p2"))
    await recommend.refresh()
    first = recommend.desk.live.now.recommender.goods
    await recommend.apply(bought("b1", BEN, 1, "p1"))
    await recommend.refresh()
    assert recommend.desk.live.now.recommender.goods is first
    await recommend.apply(product("p3"))
    await recommend.refresh()
    goods = recommend.desk.live.now.recommender.goods
    assert len(goods.assortment) == 3
    recommend.desk.policies.over(first)
    recommend.desk.policies.over(goods)
    await recommend.desk.follow_policy()
    assert [laid.goods for laid in recommend.desk.policies._laid.values()] == [goods]
