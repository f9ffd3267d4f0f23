"""The table of commands: quick help, one import per command, exit codes."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from regulars.__main__ import main
from regulars.cli.table import COMMANDS, CommandEntry, build_app, chosen_command
from regulars.errors import RegularsError

GROUP = typer.Typer()


@GROUP.command("one")
def _one() -> None:
    typer.echo("one ran")


@GROUP.command("two")
def _two() -> None:
    raise RegularsError("two is broken")


def _exit_code(arguments: list[str]) -> int | str | None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return exit_.value.code


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_has_help_and_takes_the_data_folder(
    entry: CommandEntry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.help.endswith(".")
    assert _exit_code([entry.name, "--help"]) == 0
    assert capsys.readouterr().out != ""


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(entry.name in shown for entry in COMMANDS)


def test_wrong_usage_ends_with_2() -> None:
    assert _exit_code(["no-such-command"]) == 2
    assert _exit_code(["status", "--no-such-option"]) == 2


def test_a_failure_ends_with_1_and_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = CommandEntry("group", f"{__name__}:GROUP", "A group.")
    monkeypatch.setattr("regulars.__main__.build_app", lambda chosen: build_app(chosen or "group", (entry,)))
    assert _exit_code(["group", "two"]) == 1
    assert capsys.readouterr().err == "regulars: two is broken\n"


def test_a_command_may_have_subcommands(capsys: pytest.CaptureFixture[str]) -> None:
    entry = CommandEntry("group", f"{__name__}:GROUP", "A group.")
    with pytest.raises(SystemExit):
        build_app("group", (entry,))(["group", "one"])
    assert capsys.readouterr().out == "one ran\n"


def test_the_chosen_command_is_the_first_word() -> None:
    assert chosen_command(["status", "--json"]) == "status"
    assert chosen_command(["--help"]) is None
    assert chosen_command(["nonsense", "status"]) is None


def test_help_imports_no_command_and_no_model_library(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom regulars.__main__ import main\n"
        "try:\n main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'httpx', 'asyncpg', 'lightgbm', 'polars', 'numpy', 'faiss', 'sklearn', 'regulars.cli.up'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
