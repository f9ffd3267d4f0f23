"""`regulars rebuild`: a process of the service with the deployment's settings; ingest has nothing to rebuild."""

import json
import os
import sys
from pathlib import Path
from typing import Self

import psutil
import pytest

from regulars.__main__ import main


class FakeProcess:
    """Stands for the service's process: remembers the command, ends as told."""

    pid = os.getpid()
    commands: list[list[str]]
    ends_with: list[int | BaseException]

    def __init__(self, command: list[str], env: dict[str, str], cwd: Path) -> None:
        assert env == {"SET": "yes", f"{command[2].removeprefix('services.').upper()}_LOG_LEVEL": "warning"}
        assert cwd.is_dir()
        self.commands.append(command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self) -> int:
        end = self.ends_with.pop(0)
        if isinstance(end, BaseException):
            raise end
        return end


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> type[FakeProcess]:
    FakeProcess.commands, FakeProcess.ends_with = [], [0]
    monkeypatch.setattr("regulars.cli.rebuild.subprocess.Popen", FakeProcess)
    monkeypatch.setattr("regulars.cli.rebuild.WORKER_NICENESS", psutil.Process().nice())
    monkeypatch.setattr("regulars.cli.rebuild.environment_of", lambda *_: {"SET": "yes"})
    return FakeProcess


def _exit_code(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(["rebuild", *words])
    return ended.value.code


@pytest.mark.parametrize("flags", [(), ("--check",), ("--accept",), ("--check", "--json")])
def test_the_services_own_process_does_it(process: type[FakeProcess], flags: tuple[str, ...], tmp_path: Path) -> None:
    assert _exit_code("profile", "--data-dir", str(tmp_path), *flags) == 0
    assert process.commands == [[sys.executable, "-m", "services.profile", "rebuild", *flags]]


def test_a_rebuild_that_was_not_made_ends_with_1(process: type[FakeProcess], tmp_path: Path) -> None:
    process.ends_with[:] = [1]
    assert _exit_code("churn", "--data-dir", str(tmp_path)) == 1


def test_an_interruption_waits_until_the_process_has_tidied_away(process: type[FakeProcess], tmp_path: Path) -> None:
    process.ends_with[:] = [KeyboardInterrupt(), 1]
    assert _exit_code("churn", "--data-dir", str(tmp_path)) == 1
    assert process.ends_with == []


def test_ingest_says_that_all_of_it_is_owned(process: type[FakeProcess], capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("ingest") == 0
    assert "everything that ingest keeps is owned" in capsys.readouterr().out
    assert _exit_code("ingest", "--json") == 0
    assert json.loads(capsys.readouterr().out)["is_swapped"] is False
    assert process.commands == []


def test_comparing_only_and_accepting_exclude_each_other(process: type[FakeProcess]) -> None:
    assert _exit_code("profile", "--check", "--accept") == 2
    assert process.commands == []
