"""The routes of the churn service, on a real database, in process."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.churn import rule
from services.churn.api import router
from services.churn.app import build_api
from services.churn.handlers.scoring import score_customers
from services.churn.settings import Settings
from shared.db import Database
from shared.http.auth import assert_every_route_has_scope
from shared.keys import issue_key, write_keys
from shared.registry import Manifest, Metric, Registry, Verdict
from tests.integration.churn.conftest import Api
from tests.integration.churn.shops import (
    LAST_DAY,
    NOW,
    POLICY,
    apply,
    assigned,
    erased,
    named,
    said,
    sales_of,
    shop,
    shopper,
)

pytestmark = pytest.mark.postgres

WIDE = replace(POLICY, warning_share=1.0)
MORNING_AFTER = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)


@pytest.fixture
async def scored(api: Api, database: Database, registry: Registry) -> Api:
    """The shop, scored by the rule as of its last day; it is the next morning."""
    events = shop()
    for start in range(0, len(events), 1000):
        await apply(database, *events[start : start + 1000])
    await score_customers(database, registry, WIDE, as_of=LAST_DAY, at=NOW)
    api.clock.set(MORNING_AFTER)
    return api


async def items(api: Api, **params: Any) -> list[dict[str, Any]]:
    answer = await api.get("/v1/warnings", **params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_every_route_has_a_scope(settings: Settings) -> None:
    write_keys(settings.keys_file, [issue_key("administrator", "owner")[1]])
    assert_every_route_has_scope(build_api(settings))


async def test_a_customers_churn_has_the_fixed_shape(scored: Api) -> None:
    customer_id = (await items(scored))[0]["customer_id"]
    body = (await scored.get(f"/v1/customers/{customer_id}/churn")).json()
    assert set(body) >= {
        "customer_id",
        "as_of",
        "state",
        "level",
        "probability",
        "expected_weeks",
        "silence_days",
        "usual_gap_days",
        "value_at_risk_minor",
        "currency",
        "reasons",
        "model_version",
    }
    assert (body["customer_id"], body["as_of"], body["state"]) == (customer_id, LAST_DAY.isoformat(), "at_risk")
    assert list(body["probability"]) == ["2w", "4w", "8w", "12w"]
    assert list(body["probability"].values()) == sorted(body["probability"].values())
    assert set(body["reasons"][0]) == {"code", "text", "now", "usual", "since"}
    assert body["expected_weeks"][0] <= body["expected_weeks"][1]


async def test_reasons_come_in_the_language_asked_for(scored: Api) -> None:
    (first, *_) = await items(scored)
    english = (await scored.get(f"/v1/customers/{first['customer_id']}/churn")).json()["reasons"][0]["text"]
    chinese = (await scored.get(f"/v1/customers/{first['customer_id']}/churn", "zh-CN")).json()["reasons"][0]["text"]
    assert english == first["reasons"][0]["text"]
    assert english.isascii()
    assert not chinese.isascii()


async def test_an_absorbed_customers_id_answers_as_the_one_that_absorbed_it(scored: Api, database: Database) -> None:
    await apply(database, assigned(shopper(2), shopper(1)))
    body = (await scored.get(f"/v1/customers/{shopper(2)}/churn")).json()
    assert body["customer_id"] == str(shopper(1))


@pytest.mark.parametrize("case", ["unknown", "erased"])
async def test_nobody_is_a_404_with_its_code(scored: Api, database: Database, case: str) -> None:
    if case == "erased":
        await apply(database, erased(shopper(3)))
    answer = await scored.get(f"/v1/customers/{uuid4() if case == 'unknown' else shopper(3)}/churn")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "customer_not_found"


async def test_a_customer_not_scored_yet_is_judged_by_the_rule(api: Api, database: Database) -> None:
    today = NOW.date()
    await apply(database, *sales_of(1, [today - timedelta(days=7 * back) for back in range(9)]))
    await apply(database, *sales_of(2, [today]))
    regular = (await api.get(f"/v1/customers/{shopper(1)}/churn")).json()
    assert (regular["state"], regular["level"], regular["model_version"]) == ("active", "none", rule.VERSION)
    assert regular["usual_gap_days"] == 7
    new = (await api.get(f"/v1/customers/{shopper(2)}/churn")).json()
    assert (new["state"], new["silence_days"]) == ("insufficient_history", 0)


async def test_warnings_come_most_urgent_first_page_by_page(scored: Api) -> None:
    everything = await items(scored)
    assert [each["urgency"] for each in everything] == sorted((each["urgency"] for each in everything), reverse=True)
    seen, cursor = [], None
    while True:
        page = (await scored.get("/v1/warnings", limit=2, **({"cursor": cursor} if cursor else {}))).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == everything


async def test_a_cursor_belongs_to_its_filters(scored: Api) -> None:
    cursor = (await scored.get("/v1/warnings", limit=1)).json()["next_cursor"]
    answer = await scored.get("/v1/warnings", limit=1, cursor=cursor, min_value_minor=1)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_warnings_are_filtered_by_level_store_and_money(scored: Api) -> None:
    everything = await items(scored)
    first = everything[0]
    for params, holds in (
        ({"level": first["level"]}, lambda each: each["level"] == first["level"]),
        ({"store": first["store_id"]}, lambda each: each["store_id"] == first["store_id"]),
        (
            {"min_value_minor": first["value_at_risk_minor"]},
            lambda each: each["value_at_risk_minor"] >= first["value_at_risk_minor"],
        ),
        ({"open": "false"}, lambda _: False),
    ):
        assert await items(scored, **params) == [each for each in everything if holds(each)]


async def test_a_key_for_one_store_sees_that_stores_warnings(scored: Api) -> None:
    headers = {"Authorization": f"Bearer {scored.store_key}"}
    answer = await scored.client.get("/v1/warnings", headers=headers)
    assert {each["store_id"] for each in answer.json()["items"]} <= {"S1"}
    refused = await scored.client.get("/v1/warnings?store=S2", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "store_not_served")
    (other, *_) = [each for each in await items(scored) if each["store_id"] != "S1"]
    refused = await scored.post(f"/v1/warnings/{other['warning_id']}/feedback", {"verdict": "done"}, scored.store_key)
    assert (refused.status_code, refused.json()["code"]) == (403, "store_not_served")


@pytest.mark.parametrize("verdict", ["wrong", "done"])
async def test_wrong_and_done_end_a_warning_and_say_so_once(scored: Api, database: Database, verdict: str) -> None:
    (first, *_) = await items(scored)
    path = f"/v1/warnings/{first['warning_id']}/feedback"
    answer = await scored.post(path, {"verdict": verdict, "note": "called them"})
    assert (answer.status_code, answer.json()["outcome"]) == (200, "dismissed")
    assert (await scored.post(path, {"verdict": verdict})).status_code == 200
    closings = [event for event in await said(database) if event.type == "WarningClosed"]
    assert [(str(event.data.warning_id), event.data.n) for event in closings] == [(first["warning_id"], 2)]
    assert first["warning_id"] not in {each["warning_id"] for each in await items(scored)}
    assert await database.fetchval("SELECT count(*) FROM warning_feedback") == 2


async def test_a_snoozed_warning_is_hidden_until_its_day(scored: Api, database: Database) -> None:
    (first, *_) = await items(scored)
    events = await said(database)
    await scored.post(f"/v1/warnings/{first['warning_id']}/feedback", {"verdict": "snooze", "snooze_days": 3})
    assert first["warning_id"] not in {each["warning_id"] for each in await items(scored)}
    scored.clock.advance(timedelta(days=4))
    assert first["warning_id"] in {each["warning_id"] for each in await items(scored)}
    assert await said(database) == events


async def test_useful_is_kept_and_changes_nothing(scored: Api, database: Database) -> None:
    (first, *_) = await items(scored)
    answer = await scored.post(f"/v1/warnings/{first['warning_id']}/feedback", {"verdict": "useful"})
    assert answer.json()["outcome"] is None
    row = await database.fetchrow("SELECT verdict, actor FROM warning_feedback")
    assert row is not None
    assert tuple(row) == ("useful", "owner")


async def test_an_unknown_warning_is_a_404(api: Api) -> None:
    answer = await api.post(f"/v1/warnings/{uuid4()}/feedback", {"verdict": "useful"})
    assert (answer.status_code, answer.json()["code"]) == (404, "warning_not_found")


async def test_a_wrong_answer_names_the_field(api: Api) -> None:
    answer = await api.post(f"/v1/warnings/{uuid4()}/feedback", {"verdict": "maybe"})
    assert answer.status_code == 422
    assert "verdict" in answer.json()["errors"][0]["field"]


async def test_a_reader_may_not_score_or_answer_or_promote(api: Api) -> None:
    for path in ("/v1/score", f"/v1/warnings/{uuid4()}/feedback", "/v1/models:rollback", "/v1/models/x:promote"):
        answer = await api.post(path, {"verdict": "useful"}, api.analyst_key)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path


async def test_a_day_to_come_is_not_scored(api: Api) -> None:
    answer = await api.post("/v1/score", {"as_of": (NOW.date() + timedelta(days=2)).isoformat()})
    assert (answer.status_code, answer.json()["code"]) == (422, "as_of_in_future")


async def test_without_a_worker_a_scoring_stays_pending_and_can_be_asked_after(api: Api) -> None:
    api.app.state.settings = api.app.state.settings.model_copy(update={"score_wait_seconds": 0})
    answer = await api.post("/v1/score")
    assert answer.status_code == 202
    body = answer.json()
    assert (body["state"], body["as_of"], body["asked_by"]) == ("pending", "2026-03-02", "owner")
    assert (await api.get(f"/v1/score/{body['request_id']}")).json() == body
    unknown = await api.get(f"/v1/score/{uuid4()}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "request_not_found")


async def test_before_any_model_the_rule_is_told_of(api: Api) -> None:
    assert (await api.get("/v1/models")).json() == {"model_in_use": rule.VERSION, "models": []}
    assert (await api.get("/v1/factors")).json()["factors"][0]["family"] == "silence"
    evaluation = (await api.get("/v1/evaluation")).json()
    assert (evaluation["model_version"], evaluation["metrics"]) == (rule.VERSION, {})
    refused = await api.post("/v1/models:rollback")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_roll_back_to")


@pytest.fixture
def versions(registry: Registry) -> list[str]:
    """Two stored models, the first in use."""
    stored = [
        registry.save(
            Manifest(
                service="churn",
                created_at=f"2026-03-0{day}T00:00:00+00:00",
                window_from="2025-03-01",
                window_until="2026-02-28",
                code_version="features-1",
                parameters={
                    "gate": {"passed": day == 1, "failures": ["x"] * (day - 1)},
                    "held_out_from": "2026-01-03",
                },
                metrics={"lapse28.auc": Metric(0.85, 0.83, 0.87)},
            ),
            {"factors.json": b'[{"family": "visits", "contribution": 0.4, "share": 1.0}]'},
        ).version
        for day in (1, 2)
    ]
    registry.promote(stored[0], lambda _new, _old: Verdict(passed=True, reason="test"))
    return stored


async def test_the_model_in_use_is_told_of(api: Api, versions: list[str]) -> None:
    listed = (await api.get("/v1/models")).json()
    assert listed["model_in_use"] == versions[0]
    assert [(each["version"], each["in_use"]) for each in listed["models"]] == [
        (versions[1], False),
        (versions[0], True),
    ]
    assert (await api.get("/v1/evaluation")).json()["metrics"]["lapse28.auc"] == {
        "value": 0.85,
        "low": 0.83,
        "high": 0.87,
    }
    assert (await api.get("/v1/factors")).json()["factors"][0]["family"] == "visits"


async def test_a_model_is_promoted_by_hand_and_rolled_back(api: Api, versions: list[str]) -> None:
    promoted = await api.post(f"/v1/models/{versions[1]}:promote")
    assert (promoted.status_code, promoted.json()) == (200, {"model_in_use": versions[1]})
    assert (await api.post("/v1/models:rollback")).json() == {"model_in_use": versions[0]}
    unknown = await api.post("/v1/models/20200101T000000-00000000:promote")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "model_not_found")


async def test_a_damaged_model_is_refused_in_words(api: Api, versions: list[str], settings: Settings) -> None:
    (settings.data_dir / "models" / "churn" / versions[1] / "factors.json").write_text("[]")
    answer = await api.post(f"/v1/models/{versions[1]}:promote")
    assert (answer.status_code, answer.json()["code"]) == (409, "model_refused")


def test_the_routes_are_those_of_the_surface() -> None:
    paths = {route.path for route in router.routes}  # type: ignore[attr-defined]
    assert paths >= {
        "/v1/customers/{customer_id}/churn",
        "/v1/warnings",
        "/v1/warnings/{warning_id}/feedback",
        "/v1/score",
        "/v1/factors",
        "/v1/evaluation",
        "/v1/models",
    }
    assert named("x") != UUID(int=0)
