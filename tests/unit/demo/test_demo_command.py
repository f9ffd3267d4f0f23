"""The end of `regulars demo`: commands that can be copied, for this deployment and no other."""

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from regulars.cli import demo
from regulars.cli.table import COMMANDS
from regulars.errors import RegularsError
from regulars.folder import DataFolder

ADDRESSES = {"ingest": "http://127.0.0.1:27001", "profile": "http://127.0.0.1:27002"}


def serve_on(folder: DataFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is printed before it waits."""
    monkeypatch.setattr("regulars.cli.demo.signal.sigwait", lambda _: None)
    demo._serve_on(SimpleNamespace(addresses=ADDRESSES), folder)  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_every_command_printed_names_the_data_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder.of(tmp_path / "with space")
    printed = serve_on(folder, capsys, monkeypatch)
    commands = [shlex.split(line) for line in printed.splitlines() if "--data-dir" in line]
    assert [words[1:] for words in commands] == [
        [command, "--data-dir", str(folder.root)] for command in ("status", "verify", "doctor")
    ]
    assert {words[0] for words in commands} == {commands[0][0]}
    assert Path(commands[0][0]).name == "regulars"


def test_every_command_printed_is_one(tmp_path: Path) -> None:
    assert set(demo.ASKABLE) <= {entry.name for entry in COMMANDS}
    assert Path(shlex.split(demo.command_on(DataFolder.of(tmp_path), "verify"))[0]).exists()


def test_every_service_and_the_key_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder.of(tmp_path)
    printed = serve_on(folder, capsys, monkeypatch)
    assert all(f"{service:10} {address}/docs" in printed for service, address in ADDRESSES.items())
    assert str(folder.credentials_file) in printed


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "somebody's").write_text("work")
    with pytest.raises(RegularsError, match="no demo made"):
        demo._make_room(DataFolder.of(tmp_path))
    assert (tmp_path / "somebody's").read_text() == "work"
