"""`regulars train`: it returns when the training has ended, whether or not it was asked to wait."""

from pathlib import Path

import pytest

from regulars.__main__ import main
from regulars.folder import DataFolder
from regulars.training import TrainingFailed


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    calls: list[tuple[object, ...]] = []

    def train(folder: DataFolder, service: str, _: object, arguments: list[str]) -> None:
        calls.append((folder, service, arguments))

    monkeypatch.setattr("regulars.cli.train.train_service", train)
    return calls


def _exit_code(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(["train", *words])
    return ended.value.code


@pytest.mark.parametrize("words", [(), ("--wait",)])
def test_training_runs_to_its_end_with_and_without_wait(
    words: tuple[str, ...], trained: list[tuple[object, ...]], tmp_path: Path
) -> None:
    assert _exit_code("churn", "--data-dir", str(tmp_path), *words) == 0
    assert trained == [(DataFolder.of(tmp_path), "churn", [])]


def test_a_date_is_handed_on(trained: list[tuple[object, ...]], tmp_path: Path) -> None:
    assert _exit_code("recommend", "--data-dir", str(tmp_path), "--as-of", "2026-03-01") == 0
    assert [arguments for _, _, arguments in trained] == [["--as-of", "2026-03-01"]]


def test_a_failed_training_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise TrainingFailed("training churn ended with exit code 1: too few customers")

    monkeypatch.setattr("regulars.cli.train.train_service", fail)
    assert _exit_code("churn", "--data-dir", str(tmp_path)) == 1
    assert capsys.readouterr().err == "regulars: training churn ended with exit code 1: too few customers\n"


def test_help_says_that_it_always_waits(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("--help") == 0
    assert "always runs to its end" in " ".join(capsys.readouterr().out.replace("│", "").split())
