"""The event loop that workers run on."""

import asyncio
from typing import Any

import pytest

import shared.service
from shared.service import _run_worker


def test_a_worker_runs_on_the_loop_that_apis_run_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def run(*_: Any) -> None:
        seen.append(type(asyncio.get_running_loop()).__module__)

    monkeypatch.setattr(shared.service, "run_worker", run)
    _run_worker(None, None, frozenset())  # type: ignore[arg-type,type-var] # none of them is looked at here
    assert seen == ["uvloop"]
