"""Lists go on when a part is away, and say what they did without; models change while requests run."""

import asyncio
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from services.recommend.model import files_of
from services.recommend.registry import SERVICE
from services.recommend.training.fitting import train
from shared.customers.resolver import SubjectResolver
from shared.db import Database
from shared.http.peer import Answer
from shared.registry import Manifest, Metric, Registry, Verdict
from tests.fixtures.asking import MadeUp, says
from tests.fixtures.waiting import until
from tests.integration.recommend.away import fill, freezing, is_remembered, serving
from tests.integration.recommend.conftest import Running, apply
from tests.integration.recommend.events import ANN, BEN, NOW, bought, product
from tests.unit.recommend.factories import dataset, town

pytestmark = pytest.mark.postgres
BUDGET_SECONDS = 0.15


async def quickest(running: Running, who: UUID = ANN, requests: int = 6) -> tuple[float, dict[str, Any]]:
    """Ask several times; return the shortest time, which no busy machine lengthens, and the last answer."""
    seconds, answer = [], {}
    for _ in range(requests):
        started = time.perf_counter()
        answer = await running.recommend(customer_id=str(who), limit=5)
        seconds.append(time.perf_counter() - started)
        assert len(answer["items"]) == 5
    return min(seconds), answer


async def test_a_stopped_database_leaves_personal_lists_to_whom_is_remembered_and_popular_ones_to_others(
    private_postgres: EmbeddedPostgres, private_dsn: str, tmp_path: Path
) -> None:
    database = await Database.connect(private_dsn, application="tests")
    await fill(database)
    async with serving(private_dsn, tmp_path, database, history_timeout_seconds=0.08) as running:
        await until(lambda: is_remembered(running), 20)
        await database.close()
        private_postgres.stop()
        seconds, answer = await quickest(running, BEN)
        assert (answer["personalized"], answer["missing"]) == (False, ["history_away"])
        assert answer["fallback_level"] > 0
        assert seconds < BUDGET_SECONDS
        seconds, answer = await quickest(running)
        assert (answer["personalized"], answer["fallback_level"]) == (True, 0)
        assert seconds < BUDGET_SECONDS
        running.desk.recall.old_seconds = 0.0
        _, answer = await quickest(running, requests=1)
        assert (answer["personalized"], answer["missing"]) == (True, ["history_maybe_old"])
        running.desk.recall.old_seconds = 5.0
        private_postgres.start()
        await until(lambda: _is_followed(running), 20)
        assert (await quickest(running, requests=1))[1]["missing"] == []


async def test_what_was_bought_while_the_database_was_not_heard_changes_lists_when_it_is_back(
    private_postgres: EmbeddedPostgres, private_dsn: str, tmp_path: Path
) -> None:
    database = await Database.connect(private_dsn, application="tests")
    await fill(database)
    async with serving(private_dsn, tmp_path, database) as running:
        await until(lambda: is_remembered(running), 20)
        await database.close()
        private_postgres.stop()
        private_postgres.start()
        database = await Database.connect(private_dsn, application="tests")
        await apply(database, [bought("b", ANN, 0.5, "p11")])
        await until(lambda: _shows(running, "p11"), 20)
    await database.close()


async def test_a_frozen_database_is_not_waited_for(private_dsn: str, tmp_path: Path) -> None:
    database = await Database.connect(private_dsn, application="tests")
    await fill(database)
    async with (
        freezing(private_dsn) as (dsn, proxy),
        serving(dsn, tmp_path, database, history_timeout_seconds=0.08) as running,
    ):
        await until(lambda: is_remembered(running), 20)
        with proxy.frozen():
            seconds, answer = await quickest(running, BEN)
            assert answer["missing"] == ["history_away"]
            assert seconds < BUDGET_SECONDS
            seconds, answer = await quickest(running)
            assert answer["personalized"]
            assert seconds < BUDGET_SECONDS
        await until(lambda: _is_followed(running), 20)
    await database.close()


async def _is_followed(running: Running) -> bool:
    return running.desk.following.silent_seconds < 1


async def _shows(running: Running, product_id: str) -> bool:
    answer = await running.recommend("buy-again", customer_id=str(ANN), limit=12)
    return product_id in {item["id"] for item in answer["items"] if item["source"] in {"ranked", "own_products"}}


async def test_an_identifier_that_ingest_cannot_resolve_now_gets_a_list_all_the_same(recommend: Running) -> None:
    await fill(recommend.database)
    await recommend.refresh()
    answer = await recommend.recommend(identifier={"namespace": "email", "value": "ann@example.com"})
    assert (answer["personalized"], answer["missing"], answer["customer_id"]) == (False, ["resolver_away"], None)
    assert answer["items"]


async def test_a_resolved_identifier_is_asked_for_once_a_minute_and_refusals_are_told(recommend: Running) -> None:
    def answer(document: object) -> Answer:
        is_nobody = "nobody" in str(document)
        return says({"message": "email is a placeholder"}, 422) if is_nobody else says({"subject_id": str(ANN)})

    ingest = MadeUp(answer)
    await fill(recommend.database)
    await recommend.refresh()
    recommend.desk.resolver = SubjectResolver("recommend", ingest, "/identifier/value")
    for _ in range(3):
        known = await recommend.recommend(identifier={"namespace": "email", "value": "ann@example.com"})
        assert (known["personalized"], known["customer_id"]) == (True, str(ANN))
    assert len(ingest.asked) == 1
    nobody = {"identifier": {"namespace": "email", "value": "nobody@nobody.example"}, "limit": 10}
    refused = await recommend.post("/v1/recommendations/for-you", nobody)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_identifier")
    assert refused.json()["errors"][0]["field"] == "/identifier/value"


def save_model(registry: Registry, seed: int, created_at: str) -> str:
    """Train on a made-up town and store; promote nothing. All are of one data window: any may follow any."""
    learned, assortment = dataset(town(customers=12, products=20, weeks=24, seed=seed))
    model = train(learned, assortment, float(learned.at.max()) + 1, ease_products=20)
    metrics = {"ndcg@10_min": Metric(0.2, 0.2, 0.2)}
    manifest = Manifest(SERVICE, created_at, NOW.isoformat(), NOW.isoformat(), "code", metrics=metrics)
    return registry.save(manifest, files_of(model)).version


@pytest.fixture
def versions(tmp_path: Path) -> list[str]:
    registry = Registry(tmp_path / "models", SERVICE)
    return [save_model(registry, seed, NOW.replace(microsecond=seed).isoformat()) for seed in (1, 2)]


async def test_a_promoted_model_is_taken_up_without_a_restart_while_requests_run(
    versions: list[str], recommend: Running
) -> None:
    await fill(recommend.database)
    await recommend.refresh()
    assert (await recommend.recommend())["model_version"] == "untrained"
    stop = asyncio.Event()
    seen: list[str] = []

    async def ask() -> None:
        while not stop.is_set():
            answer = await recommend.recommend(customer_id=str(ANN), context={"items": ["p1"]}, limit=8)
            assert len(answer["items"]) == 8
            seen.append(answer["model_version"])
            # A list that is given again waits for nothing: without a network others would never have their turn.
            await asyncio.sleep(0)

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    for version in (*versions, None):
        if version is None:
            rolled_back = await recommend.post("/v1/models:rollback", {})
            assert rolled_back.json()["version"] == versions[0]
        else:
            promoted = await recommend.post(f"/v1/models/{version}:promote", {})
            assert promoted.status_code == 200, promoted.text
        wanted = version or versions[0]
        await until(lambda wanted=wanted: _serves(recommend, wanted), 20)  # type: ignore[misc]
    stop.set()
    await asyncio.gather(*asking)
    assert set(seen) <= {"untrained", *versions}
    assert len(seen) > 10
    listed = (await recommend.get("/v1/models")).json()
    assert {model["version"]: model["in_use"] for model in listed["models"]} == {
        versions[0]: True,
        versions[1]: False,
    }


async def _serves(recommend: Running, version: str) -> bool:
    return bool((await recommend.recommend())["model_version"] == version)


async def test_a_model_promoted_by_another_process_is_noticed(versions: list[str], recommend: Running) -> None:
    registry: Registry = recommend.app.state.registry
    registry.promote(versions[0], lambda *_: _passed())
    await until(lambda: _serves_now(recommend, versions[0]), 20)


async def _serves_now(recommend: Running, version: str) -> bool:
    serving_now: str = recommend.desk.live.now.recommender.model_version
    return serving_now == version


def _passed() -> Verdict:

    return Verdict(passed=True, reason="test")


async def test_a_damaged_model_changes_nothing(versions: list[str], recommend: Running, tmp_path: Path) -> None:
    await fill(recommend.database)
    await recommend.refresh()
    registry: Registry = recommend.app.state.registry
    registry.promote(versions[0], lambda *_: _passed())
    await recommend.desk.live.check_model()
    registry.promote(versions[1], lambda *_: _passed())
    (tmp_path / "models" / SERVICE / versions[1] / "arrays.npz").write_bytes(b"damaged")
    await recommend.desk.live.check_model()
    answer = await recommend.recommend(customer_id=str(ANN))
    assert (answer["model_version"], bool(answer["items"])) == (versions[0], True)
    refused = await recommend.post(f"/v1/models/{versions[1]}:promote", {})
    assert (refused.status_code, refused.json()["code"]) == (503, "model_unreadable")


async def test_products_that_came_after_the_training_can_be_recommended(
    versions: list[str], recommend: Running
) -> None:
    await fill(recommend.database)
    await recommend.apply(product("new"), *(bought(f"n{n}", ANN, n, "new") for n in range(4)))
    registry: Registry = recommend.app.state.registry
    registry.promote(versions[0], lambda *_: _passed())
    await recommend.desk.live.check_model()
    await recommend.refresh()
    answer = await recommend.recommend("buy-again", customer_id=str(ANN))
    assert "new" in {item["id"] for item in answer["items"]}
