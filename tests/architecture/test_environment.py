"""The environment is made from locks by hash, notices a move, and never shows an address."""

import subprocess
from pathlib import Path

import pytest

from tools import environment

ROOT = Path(__file__).parents[2]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--dry-run", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)


def write_record(folder: Path, made_at: Path) -> None:
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    (folder / "pyvenv.cfg").write_text(f"version = 3.11.7\ncommand = /usr/bin/python3 -m venv {made_at}\n")


def test_an_environment_at_its_place_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "a place" / ".venv"
    write_record(folder, folder)
    assert environment.is_usable(folder)


def test_an_environment_that_was_copied_here_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "copy" / ".venv"
    write_record(folder, tmp_path / "original" / ".venv")
    assert not environment.is_usable(folder)


def test_an_environment_without_its_python_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / ".venv"
    write_record(folder, folder)
    (folder / "bin" / "python").unlink()
    assert not environment.is_usable(folder)


def test_addresses_do_not_show() -> None:
    said = "Failed to fetch: `https://user:secret@index.example.org/simple/uv/`\nhttp://mirror.example.org refused"
    assert environment.without_addresses(said) == "Failed to fetch: `[address]`\n[address] refused"


def test_a_failed_installation_says_so_without_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "installer_environment", dict)
    program = tmp_path / "installer"
    program.write_text("#!/bin/sh\necho no answer from https://index.example.org/simple\nexit 2\n")
    program.chmod(0o755)
    with pytest.raises(environment.SetupError, match="an installation failed"):
        environment.run([str(program)])
    assert capsys.readouterr().err == "no answer from [address]\n"


def test_libraries_are_compiled_when_they_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(environment, "is_usable", lambda folder: True)
    monkeypatch.setattr(environment, "run", commands.append)
    environment.make_environment("local", tmp_path / "made.stamp")
    (libraries,) = [command for command in commands if "requirements/local.txt" in command]
    assert "--compile-bytecode" in libraries


def test_uv_gets_the_index_that_pip_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example.org/simple")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    assert environment.installer_environment()["UV_DEFAULT_INDEX"] == "https://index.example.org/simple"


def test_an_index_of_uvs_own_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example.org/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://other.example.org/simple")
    assert environment.installer_environment()["UV_DEFAULT_INDEX"] == "https://other.example.org/simple"


def test_make_refuses_an_old_python_in_words(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit 0\nexit 1\n')
    old.chmod(0o755)
    command = ["make", "--always-make", "venv", f"PYTHON={old}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode
    assert f"Python 3.11 or newer is needed; '{old}' is Python 3.9.2." in done.stderr


def test_make_alone_prints_every_target_with_what_it_does() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    targets = [
        line.removeprefix(".PHONY: ")
        for line in (ROOT / "Makefile").read_text().splitlines()
        if line.startswith(".PHONY: ")
    ]
    shown = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert shown == set(targets)


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "faults", "kafka", "lock", "clean"])
def test_a_target_expands_to_commands(target: str) -> None:
    done = make(target)
    assert done.returncode == 0, done.stderr


def test_ci_runs_what_people_run() -> None:
    commands = (ROOT / ".ci" / "run").read_text().splitlines()
    assert commands[-2:] == ["make check", "make test"]
