"""Steps of the demo: whatever a deployment does wrong is told with the step in which it did it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from regulars.__main__ import main
from regulars.demo.run import DemoFailed, step
from regulars.demo.shop import ServiceRefused
from regulars.errors import RegularsError
from regulars.loading.sender import SendFailed
from regulars.training import TrainingFailed
from shared.db import DatabaseAwayError
from shared.errors import TransientError

PROBLEM = httpx.Response(
    409, headers={"content-type": "application/problem+json"}, json={"code": "wrong_state", "message": "not yet"}
)
FAILURES = [
    (RegularsError("nothing runs"), "nothing runs"),
    (SendFailed("ingest could not be reached"), "ingest could not be reached"),
    (TrainingFailed("training churn ended with exit code 1"), "training churn ended"),
    (ServiceRefused("campaign", "/v1/campaigns", PROBLEM), "campaign /v1/campaigns: 409"),
    (httpx.ConnectError("connection refused"), "connection refused"),
    (httpx.ReadTimeout(""), "ReadTimeout"),
    (DatabaseAwayError("ConnectionRefusedError: 5432"), "ConnectionRefusedError: 5432"),
    (TransientError("the broker is away"), "the broker is away"),
]
IDS = [type(error).__name__ for error, _ in FAILURES]


@pytest.mark.parametrize(("error", "reason"), FAILURES, ids=IDS)
def test_a_failed_step_is_named_with_its_reason(error: Exception, reason: str) -> None:
    seconds: dict[str, float] = {}
    with pytest.raises(DemoFailed) as failed, step("training the churn warnings", lambda _: None, seconds):
        raise error
    assert str(failed.value).startswith(f"the demo stopped while training the churn warnings: {reason}")
    assert failed.value.__cause__ is error
    assert seconds == {}


def test_a_mistake_of_the_demo_itself_is_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError), step("dividing", lambda _: None, {}):
        raise ZeroDivisionError


def test_a_step_that_ends_well_is_said_and_timed() -> None:
    said: list[str] = []
    seconds: dict[str, float] = {}
    with step("waiting", said.append, seconds):
        assert seconds == {}
    assert (said, list(seconds)) == (["waiting"], ["waiting"])


@pytest.mark.parametrize(("error", "reason"), FAILURES, ids=IDS)
def test_the_command_then_ends_with_1_and_one_line(
    error: Exception, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def __init__(self, *_: object) -> None: ...

        def run(self) -> None:
            with step("seeing what came true", lambda _: None, {}):
                raise error

    monkeypatch.setattr("regulars.cli.demo.running", _running_nothing)
    monkeypatch.setattr("regulars.cli.demo.Demo", Failing)
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--exit", "--data-dir", str(tmp_path / "demo")])
    assert ended.value.code == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f"regulars: the demo stopped while seeing what came true: {reason}")


@contextmanager
def _running_nothing(*_: Any) -> Iterator[SimpleNamespace]:
    yield SimpleNamespace(addresses={})
