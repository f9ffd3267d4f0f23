"""A version's life while lists are answered: shadow, promotion, rollback, and the nightly training."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from services.recommend.app import build_api
from services.recommend.domain.nightly import Nightly
from services.recommend.handlers import nightly
from services.recommend.store import models
from services.recommend.store.models import ShadowSums
from services.recommend.training import run as training_run
from services.recommend.training.run import AlreadyTrainingError
from shared.clock import Clock
from shared.registry import Registry, Verdict
from tests.fixtures.waiting import until
from tests.integration.recommend.conftest import Running
from tests.integration.recommend.events import ANN, NOW, bought, product, subject
from tests.integration.recommend.test_training_run import fill
from tests.integration.recommend.test_without_its_parts import save_model

pytestmark = pytest.mark.postgres
NIGHT = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
AT_THREE = Nightly(3, "UTC")


class Stopped(Clock):
    """A clock that stands."""

    def now(self) -> datetime:
        return NIGHT


@pytest.fixture
def versions(tmp_path: Path) -> list[str]:
    registry = Registry(tmp_path / "models", "recommend")
    found = [save_model(registry, seed, NOW.replace(microsecond=seed).isoformat()) for seed in (1, 2)]
    for version in found:
        registry.promote(version, lambda *_: Verdict(passed=True, reason="test"))
    return found


@pytest.fixture
async def shop(recommend: Running) -> Running:
    await recommend.apply(
        *(product(f"P{n:03d}") for n in range(20)), *(bought(f"a{n}", ANN, n + 1, "P001", "P002") for n in range(4))
    )
    await recommend.refresh()
    return recommend


@pytest.fixture
async def second_process(versions: list[str], shop: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Another API on the same database and files."""
    app = build_api(shop.settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {shop.admin_key}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://second", headers=headers) as client:
            yield client


async def test_five_seconds_after_a_rollback_every_process_answers_with_the_version_before(
    versions: list[str], shop: Running, second_process: httpx.AsyncClient
) -> None:
    async def second_answers() -> bool:
        answer = await second_process.post("/v1/recommendations/for-you", json={"customer_id": str(ANN)})
        return bool(answer.json()["model_version"] == versions[0])

    await until(lambda: _answers(shop, versions[1]), 20)
    started = time.monotonic()
    rolled_back = await shop.post("/v1/models:rollback", {})
    assert rolled_back.json()["version"] == versions[0]
    assert await _answers(shop, versions[0])
    await until(second_answers, 5)
    assert time.monotonic() - started < 5


async def _answers(shop: Running, version: str) -> bool:
    return bool((await shop.recommend(customer_id=str(ANN)))["model_version"] == version)


async def test_a_version_in_the_shadow_makes_lists_for_nobody_and_says_how_it_did(
    versions: list[str], shop: Running
) -> None:
    put = await shop.post(f"/v1/models/{versions[0]}:shadow", {"share": 1.0})
    assert put.status_code == 200, put.text
    await until(lambda: _holds(shop, versions[0]), 20)
    for _ in range(8):
        answer = await shop.recommend(customer_id=str(ANN))
        assert (answer["model_version"], answer["experiment"]) == (versions[1], None)

    async def told() -> bool:
        listed = {each["version"]: each["shadow"] for each in (await shop.get("/v1/models")).json()["models"]}
        return bool(listed[versions[0]]["lists"] >= 8)

    await until(told, 20)
    listed = {each["version"]: each["shadow"] for each in (await shop.get("/v1/models")).json()["models"]}
    found = listed[versions[0]]
    assert (found["active"], found["share"], found["failures"]) == (True, 1.0, 0)
    assert 0 <= found["agreement"] <= 1
    assert min(found["took_ms"], found["in_use_ms"]) > 0
    assert listed[versions[1]] is None
    ended = await shop.post(f"/v1/models/{versions[0]}:unshadow", {})
    assert ended.status_code == 200
    await until(lambda: _lets_go(shop), 10)
    assert (await shop.post(f"/v1/models/{versions[0]}:unshadow", {})).json()["code"] == "model_not_found"
    assert (await shop.post("/v1/models/none:shadow", {})).json()["code"] == "model_not_found"


async def _holds(shop: Running, version: str) -> bool:
    return shop.desk.live.version(version) is not None


async def _lets_go(shop: Running) -> bool:
    return not shop.desk.live.others


async def test_a_shadow_that_cannot_follow_leaves_lists_out_and_one_that_fails_harms_nobody(
    versions: list[str], shop: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.post(f"/v1/models/{versions[0]}:shadow", {"share": 1.0})
    await until(lambda: _holds(shop, versions[0]), 20)
    shadow = shop.desk.shadow
    assert shadow is not None
    monkeypatch.setattr("services.recommend.serving.shadow.WAITING_MAX", 0)
    await shop.recommend(customer_id=str(ANN))
    assert sum(each.dropped for each in shadow._sums.values()) == 1
    monkeypatch.setattr("services.recommend.serving.shadow.WAITING_MAX", 9)
    monkeypatch.setattr("services.recommend.serving.shadow.compared", _fails)
    assert (await shop.recommend(customer_id=str(ANN)))["items"]

    async def counted() -> bool:
        return bool(await shop.database.fetchval("SELECT coalesce(sum(failures), 0) FROM shadow_days"))

    await until(counted, 20)


def _fails(*_: object) -> ShadowSums:
    raise ValueError("this version cannot rank")


async def test_versions_of_experiments_and_shadows_survive_trainings(recommend: Running) -> None:
    await fill(recommend.database)
    first = (await training_run.run(recommend.settings, NOW - timedelta(days=9), lambda _: None)).manifest.version
    registry: Registry = recommend.app.state.registry
    async with recommend.database.transaction() as tx:
        await models.set_shadow(tx, first, 0.1, "test", NOW)
    stored = registry.load(first)
    for n in range(6):
        later = (datetime.fromisoformat(stored.manifest.created_at) + timedelta(seconds=n + 1)).isoformat()
        registry.save(replace(stored.manifest, created_at=later), {"a": bytes([n])}, prune=False)
    registry.promote(registry.versions()[-1].version, lambda *_: Verdict(passed=True, reason="test"))
    await training_run.run(recommend.settings, NOW, lambda _: None)
    left = [each.version for each in registry.versions()]
    assert first in left
    assert len(left) <= 7


async def test_one_training_runs_at_a_time_and_a_killed_one_blocks_nobody(recommend: Running) -> None:
    await fill(recommend.database, customers=5)
    async with training_run._alone(recommend.database):
        with pytest.raises(AlreadyTrainingError, match="another training runs"):
            await training_run.run(recommend.settings, NOW, lambda _: None)
    async with training_run._alone(recommend.database):
        pass


async def tonight(recommend: Running, code: str, limit_seconds: float = 60) -> models.Training:
    """The training that a night's program left behind."""
    program = (sys.executable, "-c", code)
    await nightly.train_when_due(recommend.database, Stopped(), AT_THREE, limit_seconds, program)
    async with recommend.database.session() as session:
        found = await models.last_training(session)
    assert found is not None
    return found


async def test_a_nightly_training_leaves_its_end_and_its_last_line(recommend: Running) -> None:
    found = await tonight(recommend, "print('reading'); print('v1 in use')")
    assert (found.state, found.said, found.finished_at) == ("done", "v1 in use", NIGHT)
    shown = (await recommend.get("/v1/models")).json()["training"]
    assert (shown["state"], shown["said"]) == ("done", "v1 in use")
    again = await tonight(recommend, "raise SystemExit('not again tonight')")
    assert again == found


@pytest.mark.parametrize(
    ("code", "limit_seconds", "state", "said"),
    [
        ("print('not trained: too few receipts'); raise SystemExit(1)", 60, "kept_back", "not trained"),
        ("print('fitting'); raise SystemExit(3)", 60, "failed", "fitting"),
        ("import time; print('fitting', flush=True); time.sleep(600)", 1, "failed", "its limit; last: fitting"),
    ],
)
async def test_a_training_that_did_not_work_says_so(
    recommend: Running, code: str, limit_seconds: float, state: str, said: str
) -> None:
    found = await tonight(recommend, code, limit_seconds)
    assert found.state == state
    assert said in found.said


async def test_a_training_that_went_with_its_worker_is_told_as_failed(recommend: Running) -> None:
    left = uuid4()
    await models.begin_training(recommend.database, left, NIGHT - timedelta(days=1))
    await models.say(recommend.database, left, "fitting")
    await tonight(recommend, "print('done')")
    row = await recommend.database.fetchrow("SELECT state, said FROM trainings WHERE training_id = $1", left)
    assert row is not None
    assert (row["state"], row["said"]) == ("failed", "ended with its worker; fitting")


async def test_lists_are_answered_while_a_training_runs_beside_them(recommend: Running, tmp_path: Path) -> None:
    await fill(recommend.database)
    await recommend.refresh()
    process = await _training(recommend, tmp_path)
    took = []
    asker = subject("C003")
    while process.returncode is None:
        started = time.perf_counter()
        answer = await recommend.recommend(customer_id=str(asker), limit=8)
        took.append(time.perf_counter() - started)
        assert len(answer["items"]) == 8
        await asyncio.sleep(0.02)
    assert process.returncode == 0, (await process.communicate())[0].decode()
    assert len(took) > 20
    assert sorted(took)[len(took) // 2] < 0.15
    await until(lambda: _is_trained(recommend), 20)


async def _is_trained(recommend: Running) -> bool:
    return bool(recommend.desk.live.now.recommender.model_version != "untrained")


async def _training(recommend: Running, tmp_path: Path) -> asyncio.subprocess.Process:
    settings = recommend.settings
    environment = {
        "RECOMMEND_DATABASE_URL": settings.database_url.get_secret_value(),
        "RECOMMEND_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "RECOMMEND_PORT": str(settings.port),
        "RECOMMEND_KEYS_FILE": str(settings.keys_file),
        "RECOMMEND_SERVICE_KEY": "unused",
        "RECOMMEND_DATA_DIR": str(tmp_path),
        "RECOMMEND_CURRENCY": settings.currency,
        "RECOMMEND_TIME_ZONE": settings.time_zone,
        "RECOMMEND_PARTITIONS": str(settings.partitions),
        "RECOMMEND_IDENTITY_KEYS": "{}",
        "RECOMMEND_LOG_LEVEL": "warning",
        "OMP_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
    }
    return await asyncio.create_subprocess_exec(
        *nightly.PROGRAM, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment
    )


async def test_promotions_and_a_rollback_by_two_processes_at_once_leave_one_version_and_tell_of_all(
    versions: list[str], shop: Running, second_process: httpx.AsyncClient
) -> None:
    """`always` let both in; the gate lets each come back, since their figures are the same."""
    answers = await asyncio.gather(
        shop.post(f"/v1/models/{versions[0]}:promote", {}),
        second_process.post(f"/v1/models/{versions[1]}:promote", json={}),
        shop.post("/v1/models:rollback", {}),
    )
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    listed = (await shop.get("/v1/models")).json()
    (in_use,) = [each["version"] for each in listed["models"] if each["in_use"]]
    last, before, first = listed["changes"][:3]
    assert last["in_use"] == in_use
    assert (last["before"], before["before"]) == (before["in_use"], first["in_use"])
    assert sorted(each["action"] for each in (last, before, first)) == ["promoted", "promoted", "rolled_back"]
    assert {each["actor"] for each in (last, before, first)} == {"tests"}
    await until(lambda: _answers(shop, in_use), 20)

    async def second_answers() -> bool:
        answer = await second_process.post("/v1/recommendations/for-you", json={"customer_id": str(ANN)})
        return bool(answer.json()["model_version"] == in_use)

    await until(second_answers, 20)


async def test_a_rollback_that_names_what_it_leaves_is_not_done_twice(versions: list[str], shop: Running) -> None:
    once = await shop.post("/v1/models:rollback", {"leaving": versions[1]})
    assert (once.status_code, once.json()["version"]) == (200, versions[0])
    again = await shop.post("/v1/models:rollback", {"leaving": versions[1]})
    assert (again.status_code, again.json()["code"]) == (409, "model_changed")
    assert again.json()["errors"][0]["field"] == "/leaving"
