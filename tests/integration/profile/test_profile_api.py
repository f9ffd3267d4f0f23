"""The profile's HTTP API: shapes, scopes, refusals, pages."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from services.profile.app import MIGRATIONS
from services.profile.handlers import refresh
from shared import migrations
from shared.clock import FixedClock
from shared.db import Database
from shared.events import decode
from shared.events.catalogue import EXAMPLES
from shared.http.auth import api_routes, assert_every_route_has_scope
from shared.http.problem import Problem
from tests.fixtures.twins import JSON, ODD_BODIES, both_ways
from tests.integration.profile.conftest import Api
from tests.integration.profile.histories import (
    ANNA,
    BORIS,
    CHAIN,
    NOON,
    apply,
    assigned,
    attributes,
    consent,
    named,
    receipt,
    store,
    void,
)

pytestmark = pytest.mark.postgres

NOBODY = named("nobody")


def problem(answer: httpx.Response, status: int, code: str) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = Problem.model_validate(answer.json())
    assert found.code == code
    return found


def test_tables_and_migrations_agree(profile_dsn: str) -> None:
    migrations.check(profile_dsn, MIGRATIONS)


def test_every_route_declares_who_may_call_it(api: Api) -> None:
    assert_every_route_has_scope(api.app)


async def test_every_route_answers_errors_in_the_one_shape(api: Api) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://profile") as stranger:
        for route in api_routes(api.app):
            path = (route.path or "").replace("{customer_id}", "not-an-id").replace("{partition}", "x")
            for method in {*(route.methods or ()), "TRACE"}:
                for caller in (stranger, api.client):
                    answer = await caller.request(method, path, content=b"{")
                    if answer.status_code >= 400:
                        Problem.model_validate(answer.json())
                        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_service_is_ready_on_a_migrated_database(api: Api) -> None:
    assert (await api.get("/health/ready")).json() == {"status": "ready"}


async def test_a_customer_has_exactly_the_promised_shape(api: Api, database: Database) -> None:
    await apply(database, receipt(), assigned(ANNA, ANNA, 1, masked="****4567"), attributes("a", {"kids": 2}))
    found = (await api.get(f"/v1/customers/{ANNA}")).json()
    assert set(found) == {
        "customer_id", "identifiers", "totals", "rfm", "lifecycle", "favourite_categories", "usual_store_id",
        "usual_hour", "segments", "tags", "consents", "as_of",
        "usual_gap_days", "attributes", "in_words",
    }  # fmt: skip
    assert set(found["totals"]) == {
        "receipts", "returns", "items", "gross_minor", "net_minor", "currency", "first_at", "last_at",
        "other_currencies",
    }  # fmt: skip
    assert found["rfm"] == {"recency_days": 0, "frequency": 1, "monetary_minor": 1000, "cell": None}
    assert found["lifecycle"] == "new"
    assert found["as_of"] == "2026-03-02T17:00:00Z"
    assert found["in_words"].startswith("New customer, first seen 02 March 2026.")


async def test_words_come_in_the_language_asked_for(api: Api, database: Database) -> None:
    await apply(database, receipt())
    answer = await api.get(f"/v1/customers/{ANNA}", language="zh")
    assert answer.json()["in_words"].startswith("新客户")


async def test_somebody_who_has_not_bought_is_a_prospect(api: Api, database: Database) -> None:
    await apply(database, consent("c"))
    found = (await api.get(f"/v1/customers/{ANNA}")).json()
    assert (found["lifecycle"], found["rfm"], found["totals"]["receipts"]) == ("prospect", None, 0)


@pytest.mark.parametrize("part", ["", "/timeline", "/segments", "/consents"])
async def test_an_unknown_customer_is_not_found(api: Api, part: str) -> None:
    problem(await api.get(f"/v1/customers/{NOBODY}{part}"), 404, "customer_not_found")


async def test_an_id_that_is_none_is_refused_by_name(api: Api) -> None:
    found = problem(await api.get("/v1/customers/42"), 422, "invalid_input")
    assert found.errors[0].field == "customer_id"


class TestLookingUp:
    async def test_a_card_finds_its_customer(self, api: Api, database: Database) -> None:
        await apply(database, receipt())
        api.ingest.subjects["loyalty_card", "600123"] = str(ANNA)
        answer = await self._look_up(api)
        assert answer.json()["customer_id"] == str(ANNA)

    async def test_an_answer_of_ingest_is_kept_for_a_while(self, api: Api, database: Database) -> None:
        await apply(database, receipt())
        api.ingest.subjects["loyalty_card", "600123"] = str(ANNA)
        for _ in range(3):
            await self._look_up(api)
        assert api.ingest.asked == [{"namespace": "loyalty_card", "value": "600123"}]

    async def test_an_identifier_of_nobody_is_not_found(self, api: Api) -> None:
        problem(await self._look_up(api), 404, "customer_not_found")

    async def test_an_identifier_that_cannot_be_is_refused_with_the_reason(self, api: Api) -> None:
        api.ingest.status = 422
        found = problem(await self._look_up(api), 422, "invalid_identifier")
        assert "phone number" in found.message

    @pytest.mark.parametrize("status", [0, 401, 500, 503])
    async def test_without_ingest_it_says_when_to_ask_again(self, api: Api, status: int) -> None:
        api.ingest.status = status
        answer = await self._look_up(api)
        problem(answer, 503, "resolver_away")
        assert answer.headers["retry-after"] == "2"

    async def test_customers_by_id_are_served_without_ingest(self, api: Api, database: Database) -> None:
        await apply(database, receipt())
        api.ingest.status = 0
        assert (await api.get(f"/v1/customers/{ANNA}")).status_code == 200

    async def test_directly_and_by_its_twin_the_answer_is_the_same(self, api: Api, database: Database) -> None:
        await apply(database, receipt())
        api.ingest.subjects["loyalty_card", "600123"] = str(ANNA)
        known, unknown = (orjson.dumps({"namespace": "loyalty_card", "value": value}) for value in ("600123", "7"))
        for body, key in ((known, api.store_key), (unknown, api.store_key), (known, "rgl_none")):
            direct, twin = await both_ways(api.app, "/v1/customers:lookup", body, key, JSON)
            assert (direct.status_code, direct.content) == (twin.status_code, twin.content)
            assert direct.headers["content-type"] == twin.headers["content-type"]

    @pytest.mark.parametrize(("body", "headers", "status"), ODD_BODIES)
    async def test_an_odd_question_is_refused_directly_as_by_its_twin(
        self, api: Api, body: bytes, headers: dict[str, str], status: int
    ) -> None:
        direct, twin = await both_ways(api.app, "/v1/customers:lookup", body, api.store_key, headers)
        assert (direct.status_code, direct.json()) == (twin.status_code, twin.json())
        assert direct.status_code == status

    async def test_in_another_language_it_is_asked_for_in_the_query(self, api: Api, database: Database) -> None:
        await apply(database, receipt())
        api.ingest.subjects["loyalty_card", "600123"] = str(ANNA)
        body = {"namespace": "loyalty_card", "value": "600123"}
        english, chinese, unknown = [
            await api.client.post("/v1/customers:lookup", json=body, params=query)
            for query in ({}, {"language": "zh"}, {"language": "tlh"})
        ]
        assert english.json()["in_words"] != chinese.json()["in_words"]
        problem(unknown, 422, "invalid_input")

    async def test_a_field_too_many_is_refused(self, api: Api) -> None:
        body = {"namespace": "phone", "value": "1", "phone": "1"}
        problem(await api.client.post("/v1/customers:lookup", json=body), 422, "invalid_input")

    @staticmethod
    async def _look_up(api: Api) -> httpx.Response:
        body = {"namespace": "loyalty_card", "value": "600123"}
        return await api.client.post("/v1/customers:lookup", json=body)


async def test_a_batch_answers_each_customer_once_and_names_the_missing(api: Api, database: Database) -> None:
    await apply(database, receipt(), receipt("r2", subject_id=BORIS), assigned(BORIS, ANNA, 1))
    body = {"customer_ids": [str(BORIS), str(NOBODY), str(ANNA)]}
    found = (await api.client.post("/v1/customers:batch", json=body)).json()
    assert [each["customer_id"] for each in found["customers"]] == [str(ANNA)]
    assert found["missing"] == [str(NOBODY)]


async def test_a_timeline_is_paged_from_the_latest_on(api: Api, database: Database) -> None:
    events = [receipt(f"r{n}", at=NOON + timedelta(hours=n)) for n in range(7)]
    example = decode((EXAMPLES / "SurveyAnswered/v1/nps.json").read_bytes())
    survey = example.model_copy(update={"subject_id": ANNA, "occurred_at": NOON + timedelta(days=1)})
    await apply(database, *events, void(of="r6", at=NOON + timedelta(hours=9)), survey)
    pages, cursor = [], None
    while True:
        params = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        page = (await api.get(f"/v1/customers/{ANNA}/timeline", **params)).json()
        pages.append([item["type"] for item in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [["SurveyAnswered", "receipt_voided", "receipt", "receipt"], ["receipt"] * 4, ["receipt"]]


async def test_a_timeline_shows_what_happened(api: Api, database: Database) -> None:
    await apply(database, receipt(), void())
    undone, bought = (await api.get(f"/v1/customers/{ANNA}/timeline")).json()["items"]
    assert undone["detail"]["voids_receipt_id"] == str(named("r1"))
    assert (bought["kind"], bought["store_id"], bought["detail"]["voided"]) == ("sale", "S1", True)
    assert bought["detail"]["lines"] == [["P1", "1", 1000]]


async def test_a_cursor_of_another_list_is_refused(api: Api, database: Database) -> None:
    await apply(database, receipt(), receipt("r2"), receipt("r3", subject_id=BORIS))
    cursor = (await api.get(f"/v1/customers/{ANNA}/timeline", limit=1)).json()["next_cursor"]
    answer = await api.get(f"/v1/customers/{BORIS}/timeline", cursor=cursor)
    problem(answer, 422, "invalid_cursor")


async def test_tags_are_replaced_and_survive_a_merge(api: Api, database: Database) -> None:
    await apply(database, receipt(), receipt("r2", subject_id=BORIS))
    await api.client.put(f"/v1/customers/{ANNA}/tags", json={"tags": ["vip", "vip", " choir "]})
    await api.client.put(f"/v1/customers/{BORIS}/tags", json={"tags": ["allergic"]})
    await apply(database, assigned(BORIS, ANNA, 1))
    assert (await api.get(f"/v1/customers/{ANNA}")).json()["tags"] == ["allergic", "choir", "vip"]
    answer = await api.client.put(f"/v1/customers/{BORIS}/tags", json={"tags": []})
    assert answer.json() == {"customer_id": str(ANNA), "tags": []}
    assert (await api.get(f"/v1/customers/{ANNA}")).json()["tags"] == []


async def test_tags_need_the_scope_to_write(api: Api, database: Database) -> None:
    await apply(database, receipt())
    headers = {"Authorization": f"Bearer {api.analyst_key}"}
    answer = await api.client.put(f"/v1/customers/{ANNA}/tags", json={"tags": ["x"]}, headers=headers)
    problem(answer, 403, "forbidden")


async def test_members_are_paged(api: Api, database: Database) -> None:
    people = [named(f"shopper {n}") for n in range(5)]
    await apply(
        database,
        *(
            receipt(f"r{n} {k}", subject_id=person, at=NOON - timedelta(days=k))
            for n, person in enumerate(people)
            for k in range(5)
        ),
    )
    await refresh.refresh(database, FixedClock(NOON), CHAIN)
    seen: list[str] = []
    cursor: Any = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/v1/segments/one_store_shoppers/members", **params)).json()
        seen += [item["customer_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sorted(str(person) for person in people)


async def test_an_unknown_segment_is_not_found(api: Api) -> None:
    problem(await api.get("/v1/segments/unicorns/members"), 404, "segment_not_found")


async def test_a_customers_segments_are_those_of_now(api: Api, database: Database) -> None:
    await apply(database, *(receipt(f"r{n}", at=NOON - timedelta(days=n)) for n in range(5)))
    found = (await api.get(f"/v1/customers/{ANNA}/segments")).json()
    assert (found["lifecycle"], found["segments"]) == ("new", ["one_store_shoppers"])


async def test_a_store_is_described_and_summed(api: Api, database: Database) -> None:
    await apply(database, receipt(), receipt("r2", currency="EUR"), store("S1", "Huaihai Road", "Asia/Shanghai"))
    found = (await api.get("/v1/stores/S1")).json()
    assert (found["name"], found["time_zone"]) == ("Huaihai Road", "Asia/Shanghai")
    assert [each["currency"] for each in found["totals"]] == ["EUR", "USD"]


async def test_an_unknown_store_is_not_found(api: Api) -> None:
    problem(await api.get("/v1/stores/S404"), 404, "store_not_found")


async def test_a_stores_key_sees_its_own_store_only(api: Api, database: Database) -> None:
    await apply(database, receipt(), receipt("r2", store_id="S2"))
    headers = {"Authorization": f"Bearer {api.store_key}"}
    assert (await api.client.get("/v1/stores/S1", headers=headers)).status_code == 200
    problem(await api.client.get("/v1/stores/S2", headers=headers), 403, "store_not_served")


async def test_the_chain_at_a_glance(api: Api, database: Database) -> None:
    clock = FixedClock(NOON)
    await apply(database, receipt(), receipt("r2", subject_id=BORIS), receipt("r3", subject_id=None))
    await refresh.refresh(database, clock, CHAIN)
    await refresh.score(database, clock)
    await refresh.refresh(database, clock, CHAIN)
    found = (await api.get("/v1/metrics")).json()
    assert (found["customers"], found["lifecycle"]) == (2, {"new": 2})
    assert found["totals"][0]["receipts"] == 3
    assert found["rfm_bounds"][0]["frequency"] == [1, 1, 1, 1]
    assert found["rfm_cells"] == [{"cell": "511", "customers": 2}]


async def test_its_own_log_is_served(api: Api, database: Database) -> None:
    assert (await api.get("/v1/log/heads")).json()["origin"] == "profile#1"


class TestRelations:
    async def test_a_household_is_listed_with_what_each_one_is(self, api: Api, database: Database) -> None:
        await apply(database, receipt())
        relative = {"customer_id": str(uuid4()), "kind": "household", "since": "2026-01-01T00:00:00Z"}
        api.ingest.relations[str(ANNA)] = [relative]
        answer = await api.get(f"/v1/customers/{ANNA}/relations")
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"customer_id": str(ANNA), "relations": [relative]}

    async def test_somebody_whom_ingest_never_linked_has_none(self, api: Api, database: Database) -> None:
        await apply(database, receipt())
        assert (await api.get(f"/v1/customers/{ANNA}/relations")).json()["relations"] == []

    async def test_nobody_has_no_relations(self, api: Api) -> None:
        problem(await api.get(f"/v1/customers/{uuid4()}/relations"), 404, "customer_not_found")

    @pytest.mark.parametrize("status", [0, 401, 500])
    async def test_without_ingest_it_says_when_to_ask_again(self, api: Api, database: Database, status: int) -> None:
        await apply(database, receipt())
        api.ingest.status = status
        problem(await api.get(f"/v1/customers/{ANNA}/relations"), 503, "resolver_away")
