"""Scoring in a process of its own, asked for or due; and what the other processes do not load."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from regulars.child import PROJECT_ROOT
from services.churn.handlers import requests
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
