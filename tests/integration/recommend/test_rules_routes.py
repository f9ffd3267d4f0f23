"""Rules over HTTP: written, tried, in force at once, written down for good; and what they never do."""

from typing import Any
from uuid import uuid4

import pytest

from services.recommend.domain.rules import RULES_MAX
from services.recommend.schemas.rules import PreviewOut
from services.recommend.store.rules import RuleRow, save_rule
from shared.keys import issue_key, write_keys
from tests.fixtures.waiting import until
from tests.integration.recommend.conftest import Running
from tests.integration.recommend.events import ANN, NOW, bought, price, product, stock, subject

pytestmark = pytest.mark.postgres
CARD = {"namespace": "loyalty_card", "value": "1001"}


@pytest.fixture
async def shop(recommend: Running) -> Running:
    """Twelve products of three types; p10 is for adults; the store S01 is out of p11."""
    described = [
        product(
            f"p{n:02d}", categories=("GROCERY", f"type {n % 3}"), brand="Own" if n < 6 else "Other", size=f"{n}00 g"
        )
        for n in range(1, 10)
    ]
    special = [
        product("p10", categories=("DRINKS", "WINE"), attributes={"min_age": 18}),
        product("p11", categories=("GROCERY", "type 2"), attributes={"labels": "organic, regional"}, size="500 g"),
    ]
    prices = [price(f"p{n:02d}", 100 * n) for n in range(1, 12)]
    sold = [bought(f"s{n}", subject(f"other {n}"), n, f"p{n % 9 + 1:02d}", "p01") for n in range(20)]
    own = [bought(f"a{n}", ANN, 7 * n + 6, "p11", "p02") for n in range(5)]
    await recommend.apply(*described, *special, *prices, *sold, *own, stock("p11", "0"))
    await recommend.refresh()
    return recommend


def pin(product_id: str, place: int, **parts: Any) -> dict[str, Any]:
    selector = {"product_ids": [product_id]}
    return {
        "name": f"pin {product_id}",
        "kind": "pin",
        "selector": selector,
        "place": place,
        "state": "active",
    } | parts


async def written(shop: Running, **rule: Any) -> dict[str, Any]:
    answer = await shop.post("/v1/rules", rule)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def patched(shop: Running, path: str, body: Any, key: str | None = None) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {key or shop.admin_key}"}
    answer = await shop.client.patch(path, json=body, headers=headers)
    return answer.status_code, answer.json()


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["id"] for item in answer["items"]]


async def test_active_pin_is_at_its_place_in_the_very_next_list(shop: Running) -> None:
    rule = await written(shop, **pin("p09", 2))
    answer = await shop.recommend(limit=5)
    assert ids(answer)[1] == "p09"
    assert [item["pinned"] for item in answer["items"]] == [False, True, False, False, False]
    assert [(each["rule_id"], each["outcome"]) for each in answer["rules"]] == [(rule["rule_id"], "pinned")]


async def test_draft_touches_no_list_until_it_is_active_nor_after_it_is_off(shop: Running) -> None:
    rule = await written(shop, **pin("p09", 1, state="draft"))
    before = ids(await shop.recommend(limit=5))
    assert before[0] != "p09"
    assert (await patched(shop, f"/v1/rules/{rule['rule_id']}", {"state": "active"}))[1]["revision"] == 2
    assert ids(await shop.recommend(limit=5))[0] == "p09"
    await patched(shop, f"/v1/rules/{rule['rule_id']}", {"state": "off"})
    assert ids(await shop.recommend(limit=5)) == before


@pytest.mark.parametrize(
    ("product_id", "body", "why"),
    [
        ("p11", {"context": {"store_id": "S01"}}, "out_of_stock"),
        ("p10", {}, "age_restricted"),
        ("p09", {"filters": {"exclude_ids": ["p09"]}}, "excluded"),
        ("p09", {"filters": {"categories": ["type 1"]}}, "other_category"),
        ("p09", {"filters": {"price_max_minor": 200}}, "price_out_of_range"),
        ("p11", {"identifier": CARD, "filters": {"exclude_purchased": "all"}}, "bought_before"),
        ("nothing", {}, "unknown_product"),
    ],
)
async def test_hard_limit_wins_over_a_pin_and_the_answer_says_why(
    shop: Running, product_id: str, body: dict[str, Any], why: str
) -> None:
    await written(shop, **pin(product_id, 1))
    answer = await shop.recommend(limit=5, **body)
    assert product_id not in ids(answer)
    assert answer["items"]
    assert [(each["outcome"], each["detail"]) for each in answer["rules"]] == [("left_out", why)]


async def test_age_that_the_till_checked_lets_a_restricted_product_through(shop: Running) -> None:
    await written(shop, **pin("p10", 1))
    for age, is_shown in ((None, False), (17, False), (18, True)):
        answer = await shop.recommend(limit=3, context={"customer_age": age})
        assert ("p10" in ids(answer)) is is_shown
    refused = await shop.post("/v1/recommendations/for-you", {"context": {"customer_age": -1}})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "/context/customer_age")


async def test_rules_hold_where_they_are_meant_to(shop: Running) -> None:
    await written(shop, **pin("p09", 1, scope={"placements": ["trending"], "store_ids": ["S02"]}))
    assert ids(await shop.recommend("trending", context={"store_id": "S02"}, limit=3))[0] == "p09"
    assert (await shop.recommend("trending", context={"store_id": "S01"}, limit=3))["rules"] == []
    assert (await shop.recommend(context={"store_id": "S02"}, limit=3))["rules"] == []


async def test_boost_bury_quota_and_inject_shape_one_list(shop: Running) -> None:
    await written(shop, name="own", kind="boost", selector={"brands": ["Other"]}, factor=50, state="active")
    assert set(ids(await shop.recommend(limit=3))) <= {"p06", "p07", "p08", "p09"}
    await written(
        shop, name="few", kind="quota", selector={"brands": ["Other"]}, at_most=1, priority=3, state="active"
    )
    answer = await shop.recommend(limit=4)
    assert len({"p06", "p07", "p08", "p09"} & set(ids(answer))) == 1
    await written(shop, name="organic", kind="inject", selector={"labels": ["organic"]}, count=1, state="active")
    assert ids(await shop.recommend(limit=4))[0] == "p11"


async def test_dry_run_shows_before_and_after_and_changes_nothing(shop: Running) -> None:
    draft = await written(shop, **pin("p08", 1, state="draft"))
    body = {
        "placement": "for-you",
        "request": {"limit": 4},
        "rules": [{"name": "try", "kind": "pin", "selector": {"product_ids": ["p09"]}, "place": 2}],
        "rule_ids": [draft["rule_id"]],
    }
    answer = (await shop.post("/v1/rules:preview", body)).json()
    PreviewOut.model_validate(answer, strict=False, extra="forbid")
    assert [item["id"] for item in answer["after"]][:2] == ["p08", "p09"]
    assert {(each["name"], each["outcome"]) for each in answer["rules"]} == {("pin p08", "pinned"), ("try", "pinned")}
    plain = await shop.recommend(limit=4)
    assert [item["id"] for item in answer["before"]] == ids(plain)
    await shop.desk.shown.flush()
    async with shop.database.session() as session:
        row = await session.fetchrow("SELECT count(*) AS n FROM shown")
    assert row is not None
    assert row["n"] == 1


async def test_every_change_is_in_the_history_also_after_the_rule_is_gone(shop: Running) -> None:
    rule = await written(shop, **pin("p09", 1))
    path = f"/v1/rules/{rule['rule_id']}"
    await patched(shop, path, {"place": 3, "name": "moved"})
    gone = await shop.client.delete(path, headers={"Authorization": f"Bearer {shop.admin_key}"})
    assert gone.status_code == 204
    changes = (await shop.get(f"{path}/history")).json()["changes"]
    assert [each["action"] for each in changes] == ["deleted", "changed", "created"]
    assert {each["actor"] for each in changes} == {"tests"}
    assert (changes[1]["before"]["place"], changes[1]["after"]["place"], changes[0]["after"]) == (1, 3, None)
    assert (await shop.get(path)).json()["code"] == "rule_not_found"
    assert (await shop.get(f"/v1/rules/{uuid4()}/history")).status_code == 404
    assert (await shop.recommend(limit=3))["rules"] == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"place": None}, "/place"),
        ({"selector": {}}, "/selector"),
        ({"selector": {"product_ids": ["p01", "p02"]}}, "/selector/product_ids"),
        ({"factor": 2.0}, "/factor"),
        ({"placee": 2}, "/placee"),
        ({"valid_from": "2026-01-02T00:00:00Z", "valid_until": "2026-01-01T00:00:00Z"}, "/valid_until"),
    ],
)
async def test_impossible_rule_is_refused_with_its_field_and_changes_nothing(
    shop: Running, changes: dict[str, Any], field: str
) -> None:
    refused = await shop.post("/v1/rules", pin("p09", 1) | changes)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field), refused.text
    rule = await written(shop, **pin("p09", 1))
    status, body = await patched(shop, f"/v1/rules/{rule['rule_id']}", changes)
    assert (status, body["errors"][0]["field"]) == (422, field), body
    assert (await shop.get(f"/v1/rules/{rule['rule_id']}")).json() == rule


async def test_there_is_a_limit_on_rules(shop: Running) -> None:
    definition = {"name": "one", "kind": "boost", "selector": {"brands": ["Own"]}, "factor": 2.0}
    async with shop.database.transaction() as tx:
        for _ in range(RULES_MAX):
            await save_rule(tx, RuleRow(uuid4(), 1, "off", definition, NOW, NOW))
    refused = await shop.post("/v1/rules", pin("p09", 1))
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_rules")


async def test_key_of_some_stores_writes_rules_for_those_only(shop: Running) -> None:
    key, record = issue_key("marketer", "shop assistant", store_ids=["S02"])
    _, admin = issue_key("administrator", "tests")
    write_keys(shop.settings.keys_file, [record, admin])
    await until(lambda: _knows(shop, key), seconds=10)
    refused = await shop.post("/v1/rules", pin("p09", 1), key=key)
    assert (refused.status_code, refused.json()["code"]) == (403, "store_not_served")
    scoped = pin("p09", 1, scope={"store_ids": ["S02"]})
    mine = await shop.post("/v1/rules", scoped, key=key)
    assert mine.status_code == 201
    status, _ = await patched(shop, f"/v1/rules/{mine.json()['rule_id']}", {"scope": {"store_ids": ["S01"]}}, key)
    assert status == 403
    assert (await patched(shop, "/v1/placements/for-you", {"substitutes": False}, key))[0] == 403


async def _knows(shop: Running, key: str) -> bool:
    return (await shop.get("/v1/rules", key=key)).status_code == 200


async def test_rule_written_elsewhere_is_taken_up_within_moments(shop: Running) -> None:
    definition = pin("p09", 1)
    del definition["state"]
    async with shop.database.transaction() as tx:
        await save_rule(tx, RuleRow(uuid4(), 1, "active", definition, NOW, NOW))
        await tx.execute(
            "INSERT INTO policy_changes (thing, thing_id, action, actor, key_id, changed_at, after)"
            " VALUES ('rule', 'x', 'created', 'another process', 'k', now(), '{}')"
        )

    async def is_shown() -> bool:
        return ids(await shop.recommend(limit=3))[0] == "p09"

    await until(is_shown, seconds=20)


async def test_own_product_out_of_stock_gives_its_place_to_a_substitute(shop: Running) -> None:
    elsewhere = await shop.recommend("buy-again", identifier=CARD, limit=2, context={"store_id": "S02"})
    assert set(ids(elsewhere)) == {"p11", "p02"}
    answer = await shop.recommend("buy-again", identifier=CARD, limit=2, context={"store_id": "S01"})
    assert "p11" not in ids(answer)
    (instead,) = [item for item in answer["items"] if item["source"] == "substitutes"]
    assert instead["id"] == "p05", "the same type, and 500 g as well"
    assert instead["reason"]["code"] == "substitute_for"
    assert "Product p11" in instead["reason"]["text"]
    await patched(shop, "/v1/placements/buy-again", {"substitutes": False})
    without = await shop.recommend("buy-again", identifier=CARD, limit=2, context={"store_id": "S01"})
    assert not [item for item in without["items"] if item["source"] == "substitutes"]


async def test_substitutes_of_a_product_come_with_a_reason_that_does_not_call_it_out_of_stock(shop: Running) -> None:
    body = {"context": {"items": ["p11"]}, "limit": 3}
    answer = await shop.recommend("substitutes", **body)
    assert ids(answer)[0] == "p05"
    assert "p11" not in ids(answer)
    assert answer["items"][0]["reason"]["params"] == {"product": "Product p11"}
    chinese = (await shop.post("/v1/recommendations/substitutes", body, **{"Accept-Language": "zh"})).json()
    texts = [each["items"][0]["reason"]["text"] for each in (answer, chinese)]
    assert texts == ["can take the place of Product p11", "可替代Product p11"]


async def test_what_was_shown_too_often_steps_back_until_it_is_clicked(shop: Running) -> None:
    await patched(shop, "/v1/placements/trending", {"frequency_cap": {"shown_max": 2, "days": 7}})
    first = await shop.recommend("trending", identifier=CARD, limit=3)
    second = await shop.recommend("trending", identifier=CARD, limit=3)
    assert ids(first) == ids(second)
    third = await shop.recommend("trending", identifier=CARD, limit=3)
    assert set(ids(third)).isdisjoint(ids(first))
    nobody = await shop.recommend("trending", limit=3)
    assert ids(nobody) == ids(first)


async def test_slot_for_new_products_shows_one_with_its_propensity_written_down(shop: Running) -> None:
    await shop.apply(product("new", days=1, categories=("GROCERY", "type 0")))
    await shop.refresh()
    status, body = await patched(
        shop, "/v1/placements/for-you", {"exploration": {"random_share": 1.0, "new_days": 7}}
    )
    assert (status, body["settings"]["exploration"]["share"]) == (200, 1.0)
    answer = await shop.recommend(limit=3)
    assert (ids(answer)[-1], answer["items"][-1]["source"]) == ("new", "exploration")
    assert answer["items"][-1]["reason"]["code"] == "new_product"
    hidden = await shop.recommend(limit=3, filters={"exclude_ids": ["new"]})
    assert "new" not in ids(hidden)
    await shop.desk.shown.flush()
    async with shop.database.session() as session:
        rows = await session.fetch("SELECT request_id::text AS request_id, product_id, propensity FROM explored")
    assert [dict(row) for row in rows] == [
        {"request_id": answer["request_id"], "product_id": "new", "propensity": 1.0}
    ]


async def test_placements_tell_their_settings_and_who_changed_them(shop: Running) -> None:
    await patched(shop, "/v1/placements/discover", {"frequency_cap": {"shown_max": 5, "days": 30}})
    await patched(shop, "/v1/placements/discover", {"frequency_cap": None, "substitutes": False})
    listed = (await shop.get("/v1/placements")).json()["placements"]
    (discover,) = [each for each in listed if each["placement"] == "discover"]
    assert discover["settings"] == {"substitutes": False, "frequency_cap": None, "exploration": None}
    changes = (await shop.get("/v1/placements/discover/history")).json()["changes"]
    assert changes[0]["before"]["frequency_cap"] == {"shown_max": 5, "days": 30}
    assert changes[0]["actor"] == "tests"
    status, body = await patched(shop, "/v1/placements/discover", {"frequency_cap": {"shown_max": 0, "days": 1}})
    assert (status, body["errors"][0]["field"]) == (422, "/frequency_cap/shown_max")


async def test_page_keeps_a_pinned_product_where_it_is_pinned(shop: Running) -> None:
    await written(shop, **pin("p01", 2, scope={"placements": ["discover"]}))
    body = {"placements": [{"placement": "trending", "limit": 4}, {"placement": "discover", "limit": 3}]}
    lists = (await shop.post("/v1/recommendations:batch", body)).json()["results"]
    assert ids(lists[1])[1] == "p01"
    assert lists[1]["items"][1]["pinned"]
    assert "p01" not in ids(lists[0])
    assert set(ids(lists[0])).isdisjoint(ids(lists[1]))


async def test_a_wrong_rule_of_a_dry_run_is_told_by_its_place(shop: Running) -> None:
    fine = {"name": "fine", "kind": "pin", "selector": {"product_ids": ["p09"]}, "place": 2}
    wrong = {"name": "wrong", "kind": "boost", "selector": {"brands": ["b"]}}
    answer = await shop.post("/v1/rules:preview", {"placement": "for-you", "rules": [fine, wrong]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "/rules/1/factor")
