"""Live, ready, and the way from one to not."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from shared.errors import Unavailable
from shared.http.app import create_app
from shared.http.health import Check, failures
from shared.keys import KeyRing


async def test_ready_when_all_checks_pass(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/ready", headers={"Authorization": ""})
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


async def test_not_ready_names_the_check_that_failed_without_its_internals(
    client: httpx.AsyncClient, sample: Any
) -> None:
    sample.failing["database"] = OSError("connection to 10.1.2.3 refused")
    answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["code"] == "not_ready"
    assert answer.json()["errors"] == [{"check": "database", "code": "check_failed", "message": "OSError"}]
    assert "10.1.2.3" not in answer.text


async def test_a_check_may_say_why_in_its_own_words(client: httpx.AsyncClient, sample: Any) -> None:
    sample.failing["database"] = Unavailable("migrations are two versions behind")
    assert "two versions behind" in (await client.get("/health/ready")).json()["message"]


async def test_a_check_that_hangs_fails_after_its_time() -> None:
    async def hanging() -> None:
        await asyncio.Event().wait()

    (failed,) = await failures([Check("broker", hanging, timeout_seconds=0.01)])
    assert failed["message"] == "no answer within 0.01 s"


async def test_checks_run_side_by_side() -> None:
    both_started = asyncio.Barrier(2)

    async def meets() -> None:
        await both_started.wait()

    assert await failures([Check("one", meets), Check("two", meets)]) == []


async def test_draining_is_not_ready_but_still_live_and_still_answers(client: httpx.AsyncClient, sample: Any) -> None:
    sample.app.state.draining.start()
    assert (await client.get("/health/ready")).status_code == 503
    assert (await client.get("/health/live")).status_code == 200
    assert (await client.get("/v1/baskets")).status_code == 200


async def test_live_depends_on_no_readiness_check(client: httpx.AsyncClient, sample: Any) -> None:
    sample.failing["database"] = OSError("away")
    assert (await client.get("/health/live")).status_code == 200


async def test_a_watchdog_that_barks_makes_it_not_live(sample: Any) -> None:
    async def watchdog() -> None:
        raise Unavailable("no progress for 61 s with lag")

    keys: Path = sample.keys_file
    app = create_app(service="sample", keys=KeyRing(keys), routers=[], liveness=[Check("progress", watchdog)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sample") as client:
        answer = await client.get("/health/live")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_live")
