"""Scoring in a process of its own, asked for or due; and what the other processes do not load."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from regulars.child import PROJECT_ROOT
from services.churn.handlers import requests, running
from services.churn.handlers.running import run_next
from services.churn.handlers.scoring import score_customers
from services.churn.settings import Settings
from services.churn.store.requests import next_pending
from shared.clock import FixedClock
from shared.db import Database
from shared.registry import Registry
from tests.fixtures.waiting import until
from tests.integration.churn.conftest import Api
from tests.integration.churn.shops import LAST_DAY, NOW, POLICY, apply, sales_of, shop

pytestmark = pytest.mark.postgres

ZONE = "America/New_York"
NOON_AFTER = datetime(2026, 3, 30, 16, 0, tzinfo=UTC)
MODEL_LIBRARIES = ("lightgbm", "numpy", "scipy")


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that a worker would have been given."""
    values = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "PORT": "1",
        "KEYS_FILE": str(settings.keys_file),
        "SERVICE_KEY": "rgl_none",
        "DATA_DIR": str(settings.data_dir),
        "CURRENCY": settings.currency,
        "TIME_ZONE": settings.time_zone,
    }
    for name, value in values.items():
        monkeypatch.setenv(f"CHURN_{name}", value)
    monkeypatch.chdir(PROJECT_ROOT)


async def _is_waiting(database: Database) -> bool:
    return await next_pending(database) is not None


@pytest.mark.usefixtures("environment")
async def test_a_scoring_that_was_asked_for_is_run_and_answered(api: Api, database: Database) -> None:
    await apply(database, *shop())
    api.clock.set(NOON_AFTER)
    asking = asyncio.create_task(api.post("/v1/score", {"as_of": LAST_DAY.isoformat()}))
    await until(partial(_is_waiting, database), 5)
    assert await run_next(database, api.clock, 7, ZONE)
    answer = await asking
    body = answer.json()
    assert (answer.status_code, body["state"], body["failure"]) == (200, "done", None), body
    assert body["result"]["as_of"] == LAST_DAY.isoformat()
    assert body["result"]["customers"] == await database.fetchval("SELECT count(*) FROM scores")
    assert body["result"]["warnings"]["raised"] == len((await api.get("/v1/warnings")).json()["items"])
    assert not await run_next(database, api.clock, 7, ZONE)


@pytest.mark.usefixtures("environment")
async def test_a_scoring_that_fails_is_answered_with_the_reason_and_not_tried_at_once_again(
    api: Api, database: Database, settings: Settings
) -> None:
    await apply(database, *sales_of(1, [LAST_DAY]))
    pointer = settings.data_dir / "models" / "churn" / "current.json"
    pointer.parent.mkdir(parents=True)
    pointer.write_text(json.dumps({"promoted": ["20260101T000000000000-00000000"]}))
    (pointer.parent / "20260101T000000000000-00000000").mkdir()
    (pointer.parent / "20260101T000000000000-00000000" / "manifest.json").write_text("{")
    api.clock.set(NOON_AFTER)
    request_id = await requests.ask(database, LAST_DAY, "test", api.clock.now(), ZONE)
    assert await run_next(database, api.clock, 7, ZONE)
    body = (await api.get(f"/v1/score/{request_id}")).json()
    assert body["state"] == "failed"
    assert "manifest" in body["failure"]
    assert not await run_next(database, api.clock, 7, ZONE)


HUNG = ("sh", "-c", 'echo $$ >"$0.pid"; exec sleep 60')


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], int | None]:
    """Let every scoring process hang; return how to find the id of the one that was started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "PROGRAM", HUNG)

    def process_id() -> int | None:
        written = [file.read_text() for file in tmp_path.glob("*.pid")]
        return int(written[0]) if written and written[0] else None

    return process_id


async def test_a_scoring_that_hangs_is_ended_and_fails_with_the_reason(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch, hung: Callable[[], int | None]
) -> None:
    monkeypatch.setattr(running, "SCORING_SECONDS_MAX", 2.0)
    api.clock.set(NOON_AFTER)
    request_id = await requests.ask(database, LAST_DAY, "test", api.clock.now(), ZONE)
    async with asyncio.timeout(30):
        assert await run_next(database, api.clock, 7, ZONE)
    process_id = hung()
    assert process_id is not None
    assert not is_running(process_id)
    body = (await api.get(f"/v1/score/{request_id}")).json()
    assert (body["state"], body["failure"]) == ("failed", "the scoring process was ended after 2 s")
    assert not await _is_waiting(database)


@pytest.mark.usefixtures("environment")
async def test_after_one_that_hung_the_next_scoring_runs(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply(database, *sales_of(1, [LAST_DAY]))
    api.clock.set(NOON_AFTER)
    with monkeypatch.context() as hanging:
        hanging.setattr(running, "PROGRAM", ("sh", "-c", "exec sleep 60"))
        hanging.setattr(running, "SCORING_SECONDS_MAX", 0.5)
        await requests.ask(database, LAST_DAY, "test", api.clock.now(), ZONE)
        assert await run_next(database, api.clock, 7, ZONE)
    request_id = await requests.ask(database, LAST_DAY, "test", api.clock.now(), ZONE)
    assert await run_next(database, api.clock, 7, ZONE)
    body = (await api.get(f"/v1/score/{request_id}")).json()
    assert (body["state"], body["failure"]) == ("done", None)


async def test_a_worker_that_ends_takes_its_scoring_with_it_and_leaves_it_to_the_next(
    api: Api, database: Database, hung: Callable[[], int | None]
) -> None:
    api.clock.set(NOON_AFTER)
    await requests.ask(database, LAST_DAY, "test", api.clock.now(), ZONE)
    working = asyncio.create_task(run_next(database, api.clock, 7, ZONE))

    async def is_started() -> bool:
        return hung() is not None

    await until(is_started, 20)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    process_id = hung()
    assert process_id is not None
    assert not is_running(process_id)
    assert await _is_waiting(database)


async def test_the_regular_scoring_is_due_once_a_week_and_only_with_the_days_receipts(
    database: Database, registry: Registry
) -> None:
    clock = FixedClock(NOON_AFTER)
    assert await requests.ask_when_due(database, clock, 7, ZONE) is None
    await apply(database, *sales_of(1, [LAST_DAY - timedelta(days=1)]))
    assert await requests.ask_when_due(database, clock, 7, ZONE) is None
    await apply(database, *sales_of(1, [LAST_DAY]))
    assert await requests.ask_when_due(database, clock, 7, ZONE) is not None
    await score_customers(database, registry, POLICY, as_of=LAST_DAY, at=NOW)
    await apply(database, *sales_of(1, [LAST_DAY + timedelta(days=day) for day in range(1, 8)]))
    clock.advance(timedelta(days=6))
    assert await requests.ask_when_due(database, clock, 7, ZONE) is None
    clock.advance(timedelta(days=1))
    assert await requests.ask_when_due(database, clock, 7, ZONE) is not None


@pytest.mark.usefixtures("environment")
async def test_train_without_receipts_ends_with_a_sentence(database: Database) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.churn", "train", "--as-of", "2026-03-29", stderr=subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().strip().endswith("not trained: there are no receipts to learn from")


def test_api_and_worker_load_no_model_library() -> None:
    program = "import sys, services.churn.__main__; print(*sorted({'%s'} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", program % "','".join(MODEL_LIBRARIES)],
        cwd=Path(PROJECT_ROOT),
        env={**os.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == ""
