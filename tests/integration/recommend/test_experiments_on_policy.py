"""Experiments on what the shop decides, over HTTP: rules of one variant only, and a slot for new products."""

from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.waiting import until
from tests.integration.recommend.conftest import Running
from tests.integration.recommend.events import product, subject
from tests.integration.recommend.test_experiments import shop, start  # noqa: F401 - a fixture
from tests.integration.recommend.test_rules_routes import ids, pin, written

pytestmark = pytest.mark.postgres
PEOPLE = [subject(f"guest {n}") for n in range(30)]


async def defined(recommend: Running, **changes: Any) -> None:
    body: dict[str, Any] = {"id": "policy", "placements": ["for-you"]} | changes
    answer = await recommend.post("/v1/experiments", body)
    assert answer.status_code == 201, answer.text
    await start(recommend, "policy")


async def lists_by_variant(recommend: Running) -> dict[str, list[dict[str, Any]]]:
    """Everybody asks; more than one person came to each variant."""
    found: dict[str, list[dict[str, Any]]] = {}
    for person in PEOPLE:
        answer = await recommend.recommend(customer_id=str(person), limit=5)
        found.setdefault(answer["experiment"]["variant"], []).append(answer)
    assert all(len(lists) > 1 for lists in found.values())
    return found


async def test_a_draft_is_tried_on_half_of_the_people_before_it_is_active(shop: Running) -> None:  # noqa: F811
    rule = await written(shop, **pin("p09", 1, state="draft"))
    treatment = {"rules_on": [rule["rule_id"]]}
    await defined(shop, variants=[{"name": "without"}, {"name": "with", "treatment": treatment}])
    found = await lists_by_variant(shop)
    assert {ids(each)[0] for each in found["with"]} == {"p09"}
    assert "p09" not in {ids(each)[0] for each in found["without"]}
    assert {each["rules"][0]["outcome"] for each in found["with"]} == {"pinned"}
    assert all(each["rules"] == [] for each in found["without"])
    again = await lists_by_variant(shop)
    assert {name: [ids(each) for each in lists] for name, lists in again.items()} == {
        name: [ids(each) for each in lists] for name, lists in found.items()
    }


async def test_an_active_rule_or_all_of_them_are_left_out_in_a_variant(shop: Running) -> None:  # noqa: F811
    first = await written(shop, **pin("p09", 1))
    await written(shop, **pin("p10", 2))
    variants = [
        {"name": "both"},
        {"name": "one", "treatment": {"rules_off": [first["rule_id"]]}},
        {"name": "none", "treatment": {"rules": False}},
    ]
    await defined(shop, variants=variants)
    found = await lists_by_variant(shop)
    pinned = {
        name: {tuple(item["id"] for item in each["items"] if item["pinned"]) for each in lists}
        for name, lists in found.items()
    }
    assert pinned == {"both": {("p09", "p10")}, "one": {("p10",)}, "none": {()}}


async def test_a_slot_for_new_products_is_tried_in_one_variant_and_its_draws_are_kept(shop: Running) -> None:  # noqa: F811
    await shop.apply(product("zz-new", days=2))
    await shop.refresh()
    await defined(shop, variants=[{"name": "plain"}, {"name": "explores", "treatment": {"exploration": True}}])
    found = await lists_by_variant(shop)
    assert {each["items"][-1]["source"] for each in found["explores"]} == {"exploration"}
    assert "exploration" not in {item["source"] for each in found["plain"] for item in each["items"]}
    await shop.desk.shown.flush()
    kept = await shop.database.fetch("SELECT e.propensity, s.variant FROM explored e JOIN shown s USING (request_id)")
    assert {row["variant"] for row in kept} == {"explores"}
    assert all(0 < row["propensity"] <= 1 for row in kept)


async def test_exploration_of_a_placement_is_left_out_in_a_variant(shop: Running) -> None:  # noqa: F811
    await shop.apply(product("zz-new", days=2))
    await shop.refresh()
    headers = {"Authorization": f"Bearer {shop.admin_key}"}
    await shop.client.patch("/v1/placements/for-you", json={"exploration": {"share": 1.0}}, headers=headers)
    await defined(shop, variants=[{"name": "explores"}, {"name": "plain", "treatment": {"exploration": False}}])
    await until(lambda: _explores(shop), 10)
    found = await lists_by_variant(shop)
    assert all("exploration" in {item["source"] for item in each["items"]} for each in found["explores"])
    assert all("exploration" not in {item["source"] for item in each["items"]} for each in found["plain"])


async def _explores(recommend: Running) -> bool:
    return any(each.exploration for each in recommend.desk.policies._bare.settings.values())


async def test_what_a_variant_switches_is_told(shop: Running) -> None:  # noqa: F811
    rule = await written(shop, **pin("p09", 1))
    treatment = {"rules_off": [rule["rule_id"]], "exploration": False}
    await defined(shop, variants=[{"name": "as-is"}, {"name": "bare", "treatment": treatment}])
    told = (await shop.get("/v1/experiments/policy")).json()["variants"]
    assert (told[1]["treatment"]["rules_off"], told[1]["treatment"]["exploration"]) == ([rule["rule_id"]], False)
    assert (told[0]["treatment"]["rules"], told[0]["treatment"]["rules_on"]) == (None, [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"treatment": {"rules_on": [str(uuid4())]}}, "no rule"),
        ({"treatment": {"rules": False, "rules_on": [str(uuid4())]}}, "switches a rule on and off"),
    ],
)
async def test_a_rule_that_is_not_there_is_refused(shop: Running, changes: dict[str, Any], said: str) -> None:  # noqa: F811
    body = {"id": "policy", "placements": ["for-you"], "variants": [{"name": "a"}, {"name": "b", **changes}]}
    refused = await shop.post("/v1/experiments", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_experiment")
    assert refused.json()["errors"][0]["field"] == "/variants"
    assert said in refused.json()["message"]
