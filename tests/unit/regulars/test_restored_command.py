"""`regulars restored`: a process of the service, with the environment's settings or the running deployment's."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from regulars.__main__ import main
from regulars.errors import RegularsError


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was run, and with which environment; each ends well."""
    done: list[dict[str, Any]] = []

    def run(command: list[str], **options: Any) -> SimpleNamespace:
        done.append({"command": command, **options})
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("regulars.cli.restored.subprocess.run", run)
    return done


def _exit_code(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(["restored", *words])
    return ended.value.code


@pytest.mark.parametrize("service", ["ingest", "profile", "recommend", "churn", "campaign"])
def test_every_services_own_process_does_it_with_the_settings_given(
    service: str, ran: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{service.upper()}_DATABASE_URL", "postgresql://given")
    assert _exit_code(service) == 0
    assert ran[0]["command"] == [sys.executable, "-m", f"services.{service}", "restored"]
    assert ran[0]["env"][f"{service.upper()}_DATABASE_URL"] == "postgresql://given"


def test_without_settings_of_its_own_it_has_those_of_the_running_deployment(
    ran: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("regulars.cli.restored.environment_of", lambda *_: {"SET": "yes"})
    assert _exit_code("profile", "--data-dir", str(tmp_path), "--incarnation", "7") == 0
    assert ran[0]["command"][3:] == ["restored", "--incarnation", "7"]
    assert ran[0]["env"] == {"SET": "yes", "PROFILE_LOG_LEVEL": "warning"}


def test_with_neither_it_says_what_to_start(
    ran: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert _exit_code("ingest", "--data-dir", str(tmp_path)) != 0
    except RegularsError as error:
        assert "regulars up" in str(error)  # noqa: PT017 - either way a person is told
    else:
        assert "regulars up" in capsys.readouterr().err
    assert not ran


def test_a_log_that_was_not_renamed_ends_with_1(ran: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_DATABASE_URL", "postgresql://given")
    monkeypatch.setattr("regulars.cli.restored.subprocess.run", lambda *_, **__: SimpleNamespace(returncode=1))
    assert _exit_code("ingest") == 1


def test_a_first_life_is_no_later_one(ran: list[dict[str, Any]]) -> None:
    assert _exit_code("ingest", "--incarnation", "1") == 2
    assert not ran
