"""Lists over HTTP: the shape that programs rely on, what changes them, and what never happens."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.recommend.domain.requests import Placement
from services.recommend.schemas.asking import BatchIn
from services.recommend.schemas.lists import RecommendOut
from services.recommend.schemas.reporting import EventIn
from shared.http.auth import assert_every_route_has_scope
from tests.fixtures.waiting import until
from tests.integration.recommend.conftest import Running
from tests.integration.recommend.events import (
    ANN,
    BEN,
    assigned,
    bought,
    consent,
    price,
    product,
    stock,
    subject,
    viewed,
)

pytestmark = pytest.mark.postgres
CARD = {"namespace": "loyalty_card", "value": "1001"}
PRODUCTS = [f"p{n:02d}" for n in range(30)]
HIDDEN = {"p27", "p28", "p29"}


def catalogue() -> list[Any]:
    """Thirty products of three types, priced 100, 110, …; three of them must never be shown."""
    special: dict[str, dict[str, Any]] = {
        "p27": {"is_sold": False},
        "p28": {"attributes": {"recommendable": False}},
        "p29": {"attributes": {"min_age": 18}},
    }
    described = [
        product(name, categories=("GROCERY", f"kind {n % 2}", f"type {n % 3}"), brand="Own", **special.get(name, {}))
        for n, name in enumerate(PRODUCTS)
    ]
    return described + [price(name, 100 + 10 * n) for n, name in enumerate(PRODUCTS) if name != "p26"]


def shopping() -> list[Any]:
    own = [bought(f"a{n}", ANN, 7 * n + 5, "p01", "p02") for n in range(5)]
    others = [bought(f"o{n}", subject(f"other {n}"), n, f"p{n % 12:02d}", f"p{(n + 1) % 12:02d}") for n in range(30)]
    return own + others


@pytest.fixture
async def shop(recommend: Running) -> Running:
    await recommend.apply(*catalogue(), *shopping(), stock("p03", "0"), stock("p04", "3"))
    await recommend.refresh()
    return recommend


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["id"] for item in answer["items"]]


async def test_an_answer_has_the_fields_that_programs_rely_on(shop: Running) -> None:
    answer = await shop.recommend(identifier=CARD, limit=5)
    assert UUID(answer["request_id"])
    assert (answer["placement"], answer["experiment"], answer["personalized"]) == ("for-you", None, True)
    assert answer["customer_id"] == str(ANN)
    first = answer["items"][0]
    assert set(first) == {"id", "rank", "score", "source", "pinned", "reason", "product", "offer"}
    assert (first["id"] in {"p01", "p02"}, first["rank"], first["pinned"]) == (True, 1, False)
    assert first["reason"]["code"] == "due"
    assert first["reason"]["text"] == "usually every 7 days, last bought 5 days ago"
    assert first["product"]["categories"][0] == "GROCERY"
    assert (first["product"]["brand"], first["product"]["currency"]) == ("Own", "CNY")
    assert first["product"]["price_minor"] in {110, 120}
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]


async def test_a_receipt_changes_the_next_list_at_once(shop: Running) -> None:
    before = await shop.recommend("buy-again", identifier=CARD, limit=3)
    assert "p20" not in ids(before)
    await shop.apply(*(bought(f"new{n}", ANN, 0.01 * n, "p20") for n in range(3)))
    assert "p20" in ids(await shop.recommend("buy-again", identifier=CARD, limit=3))


async def test_a_person_is_found_by_customer_id_card_and_user_id_without_another_service(shop: Running) -> None:
    user = subject("shopper-7", "user_id")
    await shop.apply(bought("u1", user, 2, "p22"), assigned(user, ANN, 1), assigned(ANN, ANN, 1))
    by_user_id = {"identifier": {"namespace": "user_id", "value": "shopper-7"}}
    for who in ({"customer_id": str(ANN)}, {"identifier": CARD}, by_user_id, {"customer_id": str(user)}):
        answer = await shop.recommend("buy-again", **who)
        assert (answer["customer_id"], answer["missing"]) == (str(ANN), [])
        assert {"p01", "p02", "p22"} <= set(ids(answer))


async def test_nobody_an_unknown_customer_and_personalized_false_get_what_is_popular(shop: Running) -> None:
    for who in ({}, {"customer_id": str(uuid4())}, {"identifier": CARD, "personalized": False}):
        answer = await shop.recommend(**who)
        assert answer["personalized"] is False
        assert answer["fallback_level"] > 0
        assert len(answer["items"]) == 10
        assert {item["source"] for item in answer["items"]} <= {"popular", "popular_in_store", "assortment"}


async def test_a_withdrawn_consent_stops_the_use_of_history_and_says_so(shop: Running) -> None:
    await shop.apply(consent(ANN, "granted", 9), consent(ANN, "withdrawn", 1))
    answer = await shop.recommend(identifier=CARD)
    assert (answer["personalized"], answer["missing"]) == (False, ["consent_withdrawn"])
    assert "due" not in {item["reason"]["code"] for item in answer["items"]}
    await shop.apply(consent(ANN, "granted", 0))
    assert (await shop.recommend(identifier=CARD))["personalized"]


async def test_a_withdrawal_by_one_subject_holds_for_the_whole_customer(shop: Running) -> None:
    await shop.apply(assigned(BEN, ANN, 1), consent(BEN, "withdrawn"), consent(ANN, "granted"))
    assert (await shop.recommend(identifier=CARD))["missing"] == ["consent_withdrawn"]


async def test_a_withdrawal_for_one_channel_holds_there_alone(shop: Running) -> None:
    await shop.apply(consent(ANN, "withdrawn", channel="email"))
    assert not (await shop.recommend(identifier=CARD, context={"channel": "email"}))["personalized"]
    assert (await shop.recommend(identifier=CARD, context={"channel": "web"}))["personalized"]


async def test_one_customers_history_is_never_in_anothers_answer(shop: Running) -> None:
    await shop.apply(*(bought(f"b{n}", BEN, n, "p25") for n in range(6)))
    await shop.refresh()
    ben = await shop.recommend("buy-again", customer_id=str(BEN), limit=1)
    ann = await shop.recommend("buy-again", identifier=CARD, limit=2)
    assert ids(ben) == ["p25"]
    assert set(ids(ann)) == {"p01", "p02"}


async def test_reasons_speak_the_callers_language(shop: Running) -> None:
    key = {"Authorization": f"Bearer {shop.admin_key}"}
    for header, text in (
        ("zh-CN,zh;q=0.9,en;q=0.8", "您通常每7天购买一次"),
        ("de, en;q=0.5, zh;q=0.1", "usually every 7"),
    ):
        answer = await shop.client.post(
            "/v1/recommendations/for-you", json={"identifier": CARD}, headers=key | {"Accept-Language": header}
        )
        assert answer.json()["items"][0]["reason"]["text"].startswith(text)


async def test_what_is_out_of_stock_in_the_store_is_not_shown_there(shop: Running) -> None:
    here = await shop.recommend("trending", context={"store_id": "S01"}, limit=30)
    elsewhere = await shop.recommend("trending", context={"store_id": "S02"}, limit=30)
    unfiltered = await shop.recommend("trending", context={"store_id": "S01"}, filters={"in_stock": False}, limit=30)
    assert "p03" not in ids(here)
    assert "p04" in ids(here)
    assert "p03" in ids(elsewhere)
    assert "p03" in ids(unfiltered)


async def test_stock_and_price_changes_arrive_with_the_next_refresh(shop: Running) -> None:
    await shop.apply(stock("p03", "5", days=0), price("p05", 7, days=0))
    await shop.refresh()
    answer = await shop.recommend("trending", context={"store_id": "S01"}, limit=30)
    shown = {item["id"]: item["product"] for item in answer["items"]}
    assert shown["p05"]["price_minor"] == 7
    assert "p03" in shown


async def test_a_price_that_has_not_begun_or_has_ended_does_not_hold(shop: Running) -> None:
    ended = price("p05", 1, days=3, valid_until_at="2020-01-01T00:00:00Z")
    future = price("p05", 2, days=2, valid_from_at="2999-01-01T00:00:00Z")
    in_one_store = price("p05", 3, days=1, store_id="S09")
    await shop.apply(ended, future, in_one_store)
    await shop.refresh()
    shown = {item["id"]: item["product"] for item in (await shop.recommend("trending", limit=30))["items"]}
    assert shown["p05"]["price_minor"] == 150


async def test_what_is_not_sold_no_product_or_for_adults_is_never_shown(shop: Running) -> None:
    await shop.apply(*(bought(f"h{name}", ANN, 1, name) for name in sorted(HIDDEN)))
    await shop.refresh()
    for placement in Placement:
        answer = await shop.recommend(placement.value, identifier=CARD, context={"items": ["p01"]}, limit=100)
        assert not HIDDEN & set(ids(answer)), placement


async def test_later_purchases_are_left_out_of_an_answer_as_of_a_moment(shop: Running) -> None:
    await shop.apply(bought("late", ANN, 0.5, "p21"))
    from_then = await shop.recommend("buy-again", identifier=CARD, context={"now": "2020-01-01T00:00:00Z"})
    assert from_then["personalized"] is False
    assert "p21" in ids(await shop.recommend("buy-again", identifier=CARD))


async def test_discover_shows_nothing_that_was_bought_before(shop: Running) -> None:
    answer = await shop.recommend("discover", identifier=CARD, limit=30)
    assert answer["items"]
    assert not {"p01", "p02"} & set(ids(answer))


async def test_similar_uses_the_context_and_else_what_the_session_looked_at(shop: Running) -> None:
    await shop.apply(viewed("s1", "p05", 5), viewed("s1", "p08", 2))
    by_session = await shop.recommend("similar", session_id="s1", limit=4)
    by_context = await shop.recommend("similar", context={"items": ["p05", "p08"]}, limit=4)
    assert ids(by_session) == ids(by_context)
    assert by_session["items"][0]["reason"]["text"] == "similar to Product p08"


async def test_diversity_caps_the_products_of_one_type_in_front(shop: Running) -> None:
    async def types_of(level: str) -> list[str]:
        answer = await shop.recommend("similar", context={"items": ["p00"]}, limit=6, diversity=level)
        assert [item["rank"] for item in answer["items"]] == list(range(1, 7))
        return [item["product"]["categories"][-1] for item in answer["items"]]

    plain, medium, high = [await types_of(level) for level in ("off", "medium", "high")]
    assert max(medium.count(kind) for kind in set(medium)) <= 3
    assert len(set(plain)) < len(set(medium)) <= len(set(high))
    assert len(set(high[:3])) == 3


async def test_include_leaves_the_optional_parts_out(shop: Running) -> None:
    item = (await shop.recommend(include=[]))["items"][0]
    assert (item["product"], item["reason"]) == (None, None)


filters = st.fixed_dictionaries(
    {},
    optional={
        "in_stock": st.booleans(),
        "categories": st.lists(st.sampled_from(["GROCERY", "kind 0", "type 2", "nonsense"]), max_size=2),
        "price_min_minor": st.integers(0, 250),
        "price_max_minor": st.integers(250, 500),
        "exclude_ids": st.lists(st.sampled_from([*PRODUCTS, "unheard of"]), max_size=30),
        "exclude_purchased": st.sampled_from(["none", "all", "recent:14d"]),
    },
)
asked = st.fixed_dictionaries(
    {"filters": filters, "limit": st.integers(1, 100)},
    optional={
        "customer_id": st.sampled_from([str(ANN), str(BEN), str(UUID(int=5))]),
        "session_id": st.just("s1"),
        "personalized": st.booleans(),
        "diversity": st.sampled_from(["off", "low", "medium", "high"]),
        "context": st.fixed_dictionaries(
            {},
            optional={
                "items": st.lists(st.sampled_from([*PRODUCTS, "unheard of"]), max_size=5),
                "store_id": st.sampled_from(["S01", "S02", "nowhere"]),
            },
        ),
    },
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(Placement), asked)
async def test_no_filter_is_violated_and_no_list_is_empty_while_a_product_may_be_shown(
    shop: Running, placement: Placement, body: dict[str, Any]
) -> None:
    answer = await shop.recommend(placement.value, **body)
    found, allowed = set(ids(answer)), _allowed(placement, body)
    assert found <= allowed
    assert bool(found) == bool(allowed)
    assert len(answer["items"]) == len(found) == min(body["limit"], len(allowed))


def _allowed(placement: Placement, body: dict[str, Any]) -> set[str]:
    """Work out from the catalogue, by hand, what may be shown."""
    wanted, context = body["filters"], body.get("context", {})
    prices = {name: 100 + 10 * n for n, name in enumerate(PRODUCTS) if name != "p26"}
    low, high = wanted.get("price_min_minor"), wanted.get("price_max_minor")
    left = set(PRODUCTS) - HIDDEN - set(wanted.get("exclude_ids", ()))
    if low is not None:
        left &= {name for name, price_minor in prices.items() if price_minor >= low}
    if high is not None:
        left &= {name for name, price_minor in prices.items() if price_minor <= high}
    names = set(wanted.get("categories", ()))
    if names and "GROCERY" not in names:
        levels = {name: {f"kind {n % 2}", f"type {n % 3}"} for n, name in enumerate(PRODUCTS)}
        left &= {name for name in left if names & levels[name]}
    if wanted.get("in_stock", True) and context.get("store_id") == "S01":
        left -= {"p03"}
    if placement in {
        Placement.SIMILAR,
        Placement.BOUGHT_TOGETHER,
        Placement.BASKET,
        Placement.SUBSTITUTES,
    }:
        left -= set(context.get("items", ()))
    is_ann = body.get("customer_id") == str(ANN) and body.get("personalized", True)
    if is_ann and (wanted.get("exclude_purchased", "none") != "none" or placement is Placement.DISCOVER):
        left -= {"p01", "p02"}
    return left


async def test_a_page_shows_no_product_twice(shop: Running) -> None:
    wishes: list[dict[str, Any]] = [
        {"placement": "buy-again", "limit": 4},
        {"placement": "for-you", "limit": 6},
        {"placement": "similar", "limit": 5, "items": ["p01"]},
        {"placement": "trending", "limit": 5},
    ]
    answer = await shop.post("/v1/recommendations:batch", {"identifier": CARD, "placements": wishes})
    results = answer.json()["results"]
    assert [(len(each["items"]), each["placement"]) for each in results] == [
        (wish["limit"], wish["placement"]) for wish in wishes
    ]
    shown = [name for each in results for name in ids(each)]
    assert len(shown) == len(set(shown))
    assert len({each["request_id"] for each in results}) == 4


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "field"),
    [
        ("for-you", {"limit": 101}, 422, "invalid_input", "/limit"),
        ("for-you", {"limit": 0}, 422, "invalid_input", "/limit"),
        ("for-you", {"filtres": {}}, 422, "invalid_input", "/filtres"),
        ("for-you", {"filters": {"exclude_purchased": "recent:7"}}, 422, "invalid_input",
         "/filters/exclude_purchased"),
        ("for-you", {"filters": {"price_min_minor": 5, "price_max_minor": 4}}, 422, "invalid_input",
         "/filters/price_max_minor"),
        ("for-you", {"context": {"now": "2026-01-01T00:00:00"}}, 422, "invalid_input", "/context/now"),
        ("for-you", {"context": {"now": "0001-01-01T00:00:00+14:00"}}, 422, "invalid_input", "/context/now"),
        ("for-you", {"context": {"now": "9999-12-31T23:59:59-12:00"}}, 422, "invalid_input", "/context/now"),
        ("for-you", {"identifier": {"namespace": "loyalty_card", "value": "null"}}, 422, "invalid_identifier",
         "/identifier/value"),
        ("for-me", {}, 404, "placement_not_found", None),
    ],
)  # fmt: skip
async def test_a_wrong_request_is_told_which_field_is_wrong(
    shop: Running, path: str, body: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    answer = await shop.post(f"/v1/recommendations/{path}", body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    if field is not None:
        assert problem["errors"][0]["field"] == field


async def test_a_wrong_wish_of_a_page_is_told_by_its_place(shop: Running) -> None:
    fine, wrong = {"placement": "trending"}, {"placement": "for-you", "filters": {"exclude_purchased": "lately"}}
    answer = await shop.post("/v1/recommendations:batch", {"placements": [fine, wrong]})
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, fault["field"]) == (422, "/placements/1/filters/exclude_purchased")
    assert "recent:7d" in fault["message"]


async def test_the_page_of_the_api_says_what_an_event_is(shop: Running) -> None:
    page = (await shop.client.get("/openapi.json")).json()
    schemas = page["components"]["schemas"]
    assert set(schemas["EventsIn"]["properties"]["events"]["items"]["required"]) == {
        "event_id",
        "type",
        "request_id",
        "product_id",
    }
    # The page leaves nulls out of its examples; a program gets them.
    whole: Any = RecommendOut.model_config["json_schema_extra"]
    shown = RecommendOut.model_validate(whole["examples"][0], strict=False)
    assert schemas["RecommendOut"]["examples"][0]["items"][0]["reason"]["code"] == "due"
    assert shown.items[0].reason is not None
    assert EventIn.model_validate(schemas["EventsIn"]["examples"][0]["events"][0]).type == "click"
    assert BatchIn.model_validate(schemas["BatchIn"]["examples"][0]).placements


async def test_a_stores_key_asks_for_its_own_store_alone(shop: Running) -> None:
    own = await shop.post("/v1/recommendations/for-you", {"context": {"store_id": "S01"}}, shop.store_key)
    other = await shop.post("/v1/recommendations/for-you", {"context": {"store_id": "S02"}}, shop.store_key)
    assert (own.status_code, other.status_code, other.json()["code"]) == (200, 403, "store_not_served")


async def test_models_are_changed_by_administrators_alone(shop: Running) -> None:
    for path in ("/v1/models/x:promote", "/v1/models:rollback"):
        assert (await shop.post(path, {}, shop.store_key)).status_code == 403
        assert (await shop.post(path, {})).json()["code"] == "model_not_found"
    assert (await shop.client.get("/v1/models")).status_code == 401


async def test_every_route_declares_its_scope(shop: Running) -> None:
    assert_every_route_has_scope(shop.app)
    described = (await shop.client.get("/openapi.json")).json()
    assert {"/v1/recommendations/{placement}", "/api/recommend/{user}"} <= set(described["paths"])


async def test_gorse_clients_are_answered_in_their_own_shapes(shop: Running) -> None:
    user = subject("gorse-user", "user_id")
    await shop.apply(*(bought(f"gu{n}", user, n, "p09") for n in range(4)))
    key = {"X-API-Key": shop.admin_key}
    plain = await shop.client.get("/api/recommend/gorse-user?n=3", headers=key)
    scored = await shop.client.get("/api/recommend/gorse-user?n=2&offset=1", headers=key | {"X-API-Version": "2"})
    assert plain.json()[0] == "p09"
    assert [each["Id"] for each in scored.json()] == plain.json()[1:]
    neighbours = await shop.client.get("/api/item-to-item/neighbors/p00?n=2", headers=key)
    assert [set(each) for each in neighbours.json()] == [{"Id", "Score"}, {"Id", "Score"}]
    feedback = [{"FeedbackType": "read", "UserId": "", "ItemId": "p00", "Timestamp": "2026-01-01"}]
    session = await shop.client.post("/api/session/recommend?n=2", content=json.dumps(feedback),
                                     headers=key | {"content-type": "application/json"})  # fmt: skip
    assert session.json() == neighbours.json()
    assert (await shop.client.get("/api/recommend/gorse-user")).status_code == 401


async def test_placements_are_listed(shop: Running) -> None:
    listed = (await shop.get("/v1/placements")).json()["placements"]
    assert {each["placement"] for each in listed} == {placement.value for placement in Placement}


async def test_an_empty_shop_answers_an_empty_list(recommend: Running) -> None:
    answer = await recommend.recommend()
    assert (answer["items"], answer["model_version"]) == ([], "untrained")


async def test_the_first_product_of_a_new_shop_is_offered_within_moments(recommend: Running) -> None:
    """Nobody has described it yet, and the shelf is not read anew for a minute once it holds something."""
    await recommend.apply(bought("first", ANN, 1, "p01"))

    async def offered() -> bool:
        return ids(await recommend.recommend(identifier=CARD)) == ["p01"]

    await until(offered, 10)
