"""Keys are made, shown once, listed without their text, changed with an overlap, and ended at once."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from regulars.cli.keys import app
from regulars.errors import RegularsError
from regulars.folder import DataFolder
from shared.clock import SystemClock
from shared.keys import KeyLimit, KeyRing, KeysFileError, issue_key, read_keys, write_keys


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder.of(tmp_path)
    made.make()
    write_keys(made.keys_file, [issue_key("administrator", "owner")[1]])
    return made


def keys(folder: DataFolder, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--data-dir", str(folder.root)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def listed(folder: DataFolder) -> dict[str, dict[str, object]]:
    return {each["actor"]: each for each in json.loads(keys(folder, "list", "--json"))}


def test_a_created_key_holds_for_its_stores_and_is_listed_without_its_text(folder: DataFolder) -> None:
    key = keys(folder, "create", "--role", "store", "--actor", "till 3", "--store", "S01").splitlines()[-1]
    caller = KeyRing(folder.keys_file).caller(key)
    assert caller is not None
    assert (caller.serves_store("S01"), caller.serves_store("S02")) == (True, False)
    assert key not in folder.keys_file.read_text() + keys(folder, "list")
    assert listed(folder)["till 3"]["expires_at"] is None
    assert "digest" not in listed(folder)["till 3"]


def test_after_a_rotation_both_keys_hold_until_the_old_one_ends(folder: DataFolder) -> None:
    old = keys(folder, "create", "--role", "analyst", "--actor", "report").splitlines()[-1]
    key_id = str(listed(folder)["report"]["id"])
    new = keys(folder, "rotate", key_id, "--overlap-days", "2").splitlines()[-1]
    ring = KeyRing(folder.keys_file)
    assert (ring.caller(old), ring.caller(new)) != (None, None)
    later = KeyRing(folder.keys_file, Shifted(timedelta(days=3)))
    assert later.caller(old) is None
    assert later.caller(new) is not None


class Shifted(SystemClock):
    """The clock of some days later."""

    def __init__(self, by: timedelta) -> None:
        super().__init__()
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


def test_a_revoked_key_is_refused_by_a_service_that_runs(folder: DataFolder) -> None:
    key = keys(folder, "create", "--role", "analyst", "--actor", "report", "--days", "1").splitlines()[-1]
    ring = KeyRing(folder.keys_file)
    assert ring.caller(key) is not None
    keys(folder, "revoke", str(listed(folder)["report"]["id"]))
    assert ring.caller(key) is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("create", "--role", "king", "--actor", "me"), "roles are administrator"),
        (("revoke", "key_none"), "there is no key key_none"),
    ],
)
def test_what_cannot_be_done_is_said(folder: DataFolder, words: tuple[str, ...], says: str) -> None:
    with pytest.raises(RegularsError, match=says):
        keys(folder, *words)


def test_a_folder_without_keys_says_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(RegularsError, match="regulars up"):
        keys(DataFolder.of(tmp_path), "list")


def test_a_limit_is_kept_listed_and_carried_over_by_rotation(folder: DataFolder) -> None:
    keys(folder, "create", "--role", "store", "--actor", "till 3", "--limit", "20")
    entry = listed(folder)["till 3"]
    assert entry["limit"] == {"events_per_second": 20, "burst": 200}
    fresh = keys(folder, "rotate", str(entry["id"]), "--overlap-days", "0").splitlines()[-1]
    caller = KeyRing(folder.keys_file).caller(fresh)
    assert caller is not None
    assert caller.limit == KeyLimit(20, 200)
    assert "limit" not in listed(folder)["owner"]


def test_a_burst_without_a_limit_is_refused(folder: DataFolder) -> None:
    with pytest.raises(RegularsError, match="--limit"):
        keys(folder, "create", "--role", "store", "--actor", "till 3", "--burst", "20")


@pytest.mark.parametrize(
    "limit", [{}, {"events_per_second": 0, "burst": 1}, {"events_per_second": True, "burst": 1}, 5]
)
def test_a_file_with_a_limit_that_is_none_is_not_read(folder: DataFolder, limit: object) -> None:
    entries = json.loads(folder.keys_file.read_text())
    folder.keys_file.write_text(json.dumps([{**entries[0], "limit": limit}]))
    with pytest.raises(KeysFileError):
        read_keys(folder.keys_file)
