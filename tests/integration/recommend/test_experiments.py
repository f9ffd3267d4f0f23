"""Experiments over HTTP, from the definition to what the receipts say, on a real PostgreSQL."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.recommend.domain.experiments import State
from services.recommend.handlers import outcomes
from services.recommend.store import experiments as store
from services.recommend.training import run as training_run
from shared.clock import SystemClock
from shared.events import decode
from tests.fixtures.waiting import until
from tests.integration.recommend.conftest import Running
from tests.integration.recommend.events import ANN, NOW, assigned, bought, erased, product, subject
from tests.integration.recommend.test_training_run import fill

pytestmark = pytest.mark.postgres
PEOPLE = [subject(f"person {n}") for n in range(60)]
SPREAD: dict[str, Any] = {
    "id": "spread",
    "placements": ["for-you"],
    "variants": [{"name": "as-is"}, {"name": "spread", "treatment": {"diversity": "high"}}],
}


async def define(recommend: Running, **changes: Any) -> dict[str, Any]:
    answer = await recommend.post("/v1/experiments", SPREAD | changes)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def start(recommend: Running, name: str = "spread") -> None:
    answer = await recommend.post(f"/v1/experiments/{name}:start", {})
    assert answer.status_code == 200, answer.text
    await until(lambda: _is_followed(recommend, name), 10)


async def _is_followed(recommend: Running, name: str) -> bool:
    return any(each.experiment_id == name for each in recommend.desk.trials.running)


async def counted(recommend: Running, name: str = "spread", days_later: float = 0) -> dict[str, Any]:
    """The result as it is after everything was counted, as of so many days from now."""
    await recommend.desk.shown.flush()
    async with recommend.database.session() as session:
        experiment = await store.find(session, name)
        assert experiment is not None
        now = SystemClock().now() + timedelta(days=days_later)
        await store.keep_result(session, name, await outcomes.count(recommend.database, experiment, now))
    found: dict[str, Any] = (await recommend.get(f"/v1/experiments/{name}")).json()
    return found


@pytest.fixture
async def shop(recommend: Running) -> Running:
    """Twelve products of three types; Ann buys two of them."""
    await recommend.apply(
        *(product(f"p{n:02d}", categories=("GROCERY", f"type {n % 3}")) for n in range(12)),
        *(bought(f"a{n}", ANN, n + 1, "p01", "p02") for n in range(3)),
    )
    await recommend.refresh()
    return recommend


async def test_a_list_says_and_keeps_which_variant_it_is(shop: Running) -> None:
    await define(shop)
    assert (await shop.recommend(customer_id=str(ANN)))["experiment"] is None
    await start(shop)
    seen = [(await shop.recommend(customer_id=str(ANN)))["experiment"] for _ in range(3)]
    assert seen[0] in ({"id": "spread", "variant": "as-is"}, {"id": "spread", "variant": "spread"})
    assert seen[1:] == seen[:1] * 2
    await shop.desk.shown.flush()
    row = await shop.database.fetchrow("SELECT variant, unit, took_ms FROM shown WHERE experiment_id = 'spread'")
    assert row is not None
    assert (row["variant"], row["unit"]) == (seen[0]["variant"], f"c:{ANN}")
    assert row["took_ms"] > 0
    bodies = await shop.database.fetch("SELECT body FROM events WHERE type = 'RecommendationsShown'")
    said = [getattr(decode(each["body"]).data, "experiment", None) for each in bodies]
    assert [each.variant for each in said if each] == [seen[0]["variant"]] * 3


async def test_variants_differ_in_what_they_show_and_people_are_split(shop: Running) -> None:
    await define(shop)
    await start(shop)
    kinds: dict[str, set[int]] = {"as-is": set(), "spread": set()}
    split: Counter[str] = Counter()
    for person in PEOPLE:
        answer = await shop.recommend(customer_id=str(person), limit=6)
        variant = answer["experiment"]["variant"]
        split[variant] += 1
        kinds[variant].add(len({int(item["id"][1:]) % 3 for item in answer["items"][:3]}))
    assert kinds["spread"] == {3}
    assert all(count > 15 for count in split.values())


async def test_a_session_takes_part_as_itself_and_nobody_as_nobody(shop: Running) -> None:
    await define(shop)
    await start(shop)
    assert (await shop.recommend())["experiment"] is None
    assert (await shop.recommend(session_id="s1"))["experiment"] == (await shop.recommend(session_id="s1"))[
        "experiment"
    ]
    assert (await shop.recommend("trending", session_id="s1"))["experiment"] is None


async def test_what_the_caller_asked_for_is_not_overruled(shop: Running) -> None:
    both = [{"name": name, "treatment": {"exclude_purchased": "all"}} for name in ("one", "two")]
    await define(shop, variants=both)
    await start(shop)
    treated = await shop.recommend(customer_id=str(ANN), limit=12)
    assert {"p01", "p02"}.isdisjoint(item["id"] for item in treated["items"])
    asked = await shop.recommend(customer_id=str(ANN), limit=12, filters={"exclude_purchased": "recent:2d"})
    assert "p01" not in {item["id"] for item in asked["items"]}
    longer = await shop.recommend(customer_id=str(ANN), limit=12, filters={"exclude_purchased": "recent:1d"})
    assert {"p01", "p02"} <= {item["id"] for item in longer["items"]}


async def test_a_person_without_their_history_is_as_a_stranger(shop: Running) -> None:
    await define(shop, variants=[{"name": n, "treatment": {"personalized": False}} for n in ("one", "two")])
    await start(shop)
    answer = await shop.recommend(customer_id=str(ANN))
    assert answer["personalized"] is False
    assert answer["experiment"]["id"] == "spread"


async def test_clicks_and_receipts_at_the_till_are_counted_for_the_list_that_led_to_them(shop: Running) -> None:
    await define(shop)
    await start(shop)
    answer = await shop.recommend(customer_id=str(ANN), limit=5)
    clicked = answer["items"][0]["id"]
    click = {"event_id": "e1", "type": "click", "request_id": answer["request_id"], "product_id": clicked}
    await shop.post("/v1/events", {"events": [click]})
    other = answer["items"][1]["id"]
    outside = next(f"p{n:02d}" for n in range(12) if f"p{n:02d}" not in {item["id"] for item in answer["items"]})
    await shop.apply(bought("later", ANN, -1, clicked, other, outside), bought("too late", ANN, -9, clicked))
    result = await counted(shop, days_later=10)
    variant = next(each for each in result["results"] if each["name"] == answer["experiment"]["variant"])
    assert variant["people"] == 1
    tallies = await shop.database.fetchval("SELECT tallies FROM experiment_results")
    sums = tallies[variant["name"]]["sums"]
    assert [sums[name][0] for name in ("click_through", "attributed_purchases", "attributed_after_click")] == [
        1,
        2,
        1,
    ]
    assert sums["products_bought"][0] == 3


async def test_a_merged_customers_receipts_count_whoever_they_were_when_they_were_shown(shop: Running) -> None:
    await define(shop)
    await start(shop)
    answer = await shop.recommend(customer_id=str(ANN))
    other = subject("another card")
    await shop.apply(assigned(ANN, other, 1), assigned(other, other, 1))
    await shop.apply(bought("till", other, -1, answer["items"][0]["id"]))
    await counted(shop, days_later=3)
    tallies = await shop.database.fetchval("SELECT tallies FROM experiment_results")
    assert sum(each["sums"]["attributed_purchases"][0] for each in tallies.values()) == 1


async def test_erased_customers_are_no_longer_counted(shop: Running) -> None:
    await define(shop)
    await start(shop)
    await shop.recommend(customer_id=str(ANN))
    await shop.recommend(customer_id=str(PEOPLE[0]))
    await shop.desk.shown.flush()
    await shop.apply(erased(ANN))
    result = await counted(shop)
    assert sum(each["people"] for each in result["results"]) == 1


async def test_an_a_a_experiment_on_people_who_buy_by_chance_shows_nothing(shop: Running) -> None:
    await define(shop, variants=[{"name": "one"}, {"name": "two"}])
    await start(shop)
    receipts = []
    for n, person in enumerate(PEOPLE):
        answer = await shop.recommend(customer_id=str(person), limit=4)
        receipts.append(bought(f"r{n}", person, -1, answer["items"][n % 4]["id"], f"p{n % 12:02d}"))
    await shop.apply(*receipts)
    result = await counted(shop, days_later=8)
    assert sum(each["people"] for each in result["results"]) == len(PEOPLE)
    assert result["ratio_check"]["alarming"] is False
    other = result["results"][1]["against_first"]
    assert not other["attributed_purchases"]["proven_always"]
    assert other["latency_ms"]["guard_rail"]
    assert any("it is running" in warning for warning in result["warnings"])


async def test_an_interleaved_list_holds_both_variants_and_credits_the_one_that_brought_it(shop: Running) -> None:
    await define(
        shop,
        method="interleaving",
        variants=[{"name": "usual"}, {"name": "new", "treatment": {"exclude_purchased": "all"}}],
    )
    await start(shop)
    answer = await shop.recommend(customer_id=str(ANN), limit=6)
    assert answer["experiment"] == {"id": "spread", "variant": "interleaved"}
    assert [item["rank"] for item in answer["items"]] == list(range(1, 7))
    await shop.desk.shown.flush()
    row = await shop.database.fetchrow("SELECT product_ids, teams FROM shown")
    assert row is not None
    teams = dict(zip(row["product_ids"], row["teams"], strict=True))
    assert Counter(teams.values()) == {0: 3, 1: 3}
    own = {"p01", "p02"} & set(teams)
    assert own
    assert {teams[name] for name in own} == {0}
    second = next(name for name, team in teams.items() if team == 1)
    await shop.apply(bought("till", ANN, -1, second))
    result = await counted(shop, days_later=2)
    assert (result["preference"]["second"], result["preference"]["first"]) == (1, 0)
    assert result["ratio_check"] is None


async def test_a_variant_of_another_trained_version_answers_with_that(recommend: Running) -> None:
    await fill(recommend.database)
    await recommend.refresh()
    first = await training_run.run(recommend.settings, NOW - timedelta(days=7), lambda _: None)
    second = await training_run.run(recommend.settings, NOW, lambda _: None)
    in_use = second if second.verdict.passed else first
    other = first if in_use is second else second
    variants = [{"name": "now"}, {"name": "before", "treatment": {"model_version": other.manifest.version}}]
    await define(recommend, variants=variants)
    await start(recommend)
    await until(lambda: _holds(recommend, other.manifest.version), 20)
    served = {"now": in_use.manifest.version, "before": other.manifest.version}
    for n in range(12):
        answer = await recommend.recommend(identifier={"namespace": "loyalty_card", "value": f"C{n:03d}"})
        assert answer["model_version"] == served[answer["experiment"]["variant"]]
    await recommend.post("/v1/experiments/spread:stop", {})
    await until(lambda: _lets_go(recommend), 10)


async def _holds(recommend: Running, version: str) -> bool:
    return recommend.desk.live.version(version) is not None


async def _lets_go(recommend: Running) -> bool:
    return not recommend.desk.live.others


async def test_an_experiment_goes_from_draft_to_running_to_stopped(shop: Running) -> None:
    assert (await define(shop))["state"] == State.DRAFT
    assert (await shop.get("/v1/experiments/spread")).json()["as_of"] is None
    await start(shop)
    again = await shop.post("/v1/experiments/spread:start", {})
    assert (again.status_code, again.json()["code"]) == (409, "experiment_refused")
    for _ in range(2):
        stopped = await shop.post("/v1/experiments/spread:stop", {})
        assert (stopped.status_code, stopped.json()["state"]) == (200, State.STOPPED)
    await until(lambda: _follows_nothing(shop), 10)
    assert (await shop.recommend(customer_id=str(ANN)))["experiment"] is None
    listed = (await shop.get("/v1/experiments")).json()["experiments"]
    assert [(each["id"], each["state"]) for each in listed] == [("spread", "stopped")]


async def _follows_nothing(recommend: Running) -> bool:
    return not recommend.desk.trials.running


async def test_what_cannot_run_is_refused_with_field_and_cure(shop: Running) -> None:
    await define(shop)
    taken = await shop.post("/v1/experiments", SPREAD)
    assert (taken.status_code, taken.json()["code"]) == (409, "experiment_exists")
    untrained = {"name": "b", "treatment": {"model_version": "no"}}
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"id": "Two Words"}, 422, "/id"),
        ({"id": "x", "variants": SPREAD["variants"][:1]}, 422, "/variants"),
        ({"id": "x", "share": 0}, 422, "/share"),
        ({"id": "x", "placements": ["home"]}, 422, "/placements/0"),
        ({"id": "x", "variants": [{"name": "a"}, {"name": "a"}]}, 422, "/variants"),
        ({"id": "x", "variants": [{"name": "a"}, untrained]}, 422, "/variants"),
    ]  # fmt: skip
    for changes, status, field in cases:
        answer = await shop.post("/v1/experiments", SPREAD | changes)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field), answer.text
    await start(shop)
    await define(shop, id="other", layer="elsewhere")
    refused = await shop.post("/v1/experiments/other:start", {})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "/layer")
    await define(shop, id="third")
    assert (await shop.post("/v1/experiments/third:start", {})).json()["errors"][0]["field"] == "/share"
    for path in ("/v1/experiments/none:start", "/v1/experiments/none:stop"):
        assert (await shop.post(path, {})).json()["code"] == "experiment_not_found"
    assert (await shop.get("/v1/experiments/none")).status_code == 404


async def test_a_stores_key_changes_no_experiment(shop: Running) -> None:
    assert (await shop.post("/v1/experiments", SPREAD, shop.store_key)).status_code == 403


async def test_the_worker_counts_what_runs_and_what_may_still_earn_credit(shop: Running) -> None:
    await define(shop)
    await start(shop)
    await shop.recommend(customer_id=str(ANN))
    await shop.desk.shown.flush()
    clock = SystemClock()
    await outcomes.count_all(shop.database, clock)
    assert await shop.database.fetchval("SELECT count(*) FROM experiment_results") == 1
    await shop.post("/v1/experiments/spread:stop", {})
    async with shop.database.session() as session:
        assert len(await store.unfinished(session, clock.now())) == 1
        found = await store.find(session, "spread")
        assert found is not None
        assert found.stopped_at is not None
        late = await outcomes.count(shop.database, found, found.stopped_at + timedelta(days=8))
        await store.keep_result(session, "spread", late)
        assert await store.unfinished(session, clock.now() + timedelta(days=8)) == []


async def test_people_are_counted_whole_over_pages(shop: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "UNITS_AT_ONCE", 7)
    monkeypatch.setattr(store, "LISTS_OF_ONE_MAX", 2)
    await define(shop)
    await start(shop)
    for person in PEOPLE[:20]:
        await shop.recommend(customer_id=str(person))
    for _ in range(3):
        await shop.recommend(customer_id=str(PEOPLE[0]))
    result = await counted(shop)
    assert sum(each["people"] for each in result["results"]) == 20
    assert result["people_cut"] == 1


async def test_variants_stay_when_the_database_is_away(shop: Running) -> None:
    """What an API process knows of experiments is in its memory."""
    await define(shop)
    await start(shop)
    before = shop.desk.trials
    await shop.desk.live.serve_also(frozenset({"no such version"}))
    assert shop.desk.live.others == {}
    assert shop.desk.trials is before
    assert UUID(str(ANN))
