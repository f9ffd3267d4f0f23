"""The text of keys and the file that lists them."""

import hashlib
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.keys import (
    ROLES,
    SCOPES,
    KeyRing,
    KeysFileError,
    digest,
    issue_key,
    new_key,
    read_keys,
    verify_checksum,
    write_keys,
)


def test_a_key_has_its_prefix_43_random_characters_and_6_of_checksum() -> None:
    key = new_key()
    assert key.startswith("rgl_")
    assert len(key) == 4 + 43 + 6
    assert key[4:].isalnum()
    assert verify_checksum(key)
    assert new_key() != key


@given(position=st.integers(4, 52), replacement=st.sampled_from("0aZ-é"))
def test_a_mistyped_key_fails_its_checksum(position: int, replacement: str) -> None:
    key = new_key()
    typed = key[:position] + replacement + key[position + 1 :]
    assert verify_checksum(typed) == (typed == key)


@given(st.text())
def test_any_other_text_is_no_key(text: str) -> None:
    assert not verify_checksum(text)


def test_only_the_digest_is_kept(tmp_path: Path) -> None:
    key, entry = issue_key("administrator", "owner")
    write_keys(tmp_path / "keys.json", [entry])
    stored = (tmp_path / "keys.json").read_text()
    assert key not in stored
    assert hashlib.sha256(key.encode()).hexdigest() == digest(key)
    assert digest(key) in stored


def test_the_file_is_its_owners_alone_and_reads_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    entries = [
        issue_key("store", "store S01", store_ids=["S01"], expires_at=datetime(2027, 1, 1, tzinfo=UTC))[1],
        issue_key("service", "profile")[1],
    ]
    write_keys(path, entries)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_keys(path) == entries
    assert {"id", "digest", "role", "scopes", "stores", "actor", "expires_at"} == set(json.loads(path.read_text())[0])


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown role 'king'"):
        issue_key("king", "me")


def test_roles_hold_only_known_scopes() -> None:
    assert {scope for scopes in ROLES.values() for scope in scopes} - set(SCOPES) == {"*"}


def test_only_stores_named_are_served() -> None:
    _, store = issue_key("store", "S01", store_ids=["S01"])
    _, chain = issue_key("store", "chain")
    assert store.caller.serves_store("S01")
    assert not store.caller.serves_store("S02")
    assert chain.caller.serves_store("S02")


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '[{"id": "a"}]', '[{"id": 1, "digest": "", "role": "", "scopes": [], "stores": []}]']
)
def test_a_file_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    if content == "{}":
        assert read_keys(path) == []
        return
    with pytest.raises(KeysFileError, match=r"keys\.json"):
        KeyRing(path)


def test_a_missing_file_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(KeysFileError):
        KeyRing(tmp_path / "none.json")


def test_a_later_version_that_cannot_be_read_leaves_the_last_good_one(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, entry = issue_key("service", "profile")
    write_keys(path, [entry])
    ring = KeyRing(path)
    path.write_text("[")
    with capture_logs() as lines:
        assert ring.caller(key) is not None
        assert ring.caller(key) is not None
    assert [line["event"] for line in lines] == ["keys_file_unreadable"]
    path.unlink()
    assert ring.caller(key) is not None
