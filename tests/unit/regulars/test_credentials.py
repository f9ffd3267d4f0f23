"""Secrets are made once, kept private, and given out as digests where that is enough."""

import base64
import json
import stat
from pathlib import Path

import pytest

from regulars.credentials import (
    Credentials,
    deployment_key_file,
    load_or_make_secrets,
    read_deployment_key,
)
from regulars.errors import StartFailed
from regulars.folder import DataFolder
from shared.identity import NEVER_REISSUED, BlindIndexKeys
from shared.keys import KeyRing, digest


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder.of(tmp_path / "data folder")
    folder.make()
    return folder


def test_secrets_are_the_same_the_second_time(folder: DataFolder) -> None:
    assert load_or_make_secrets(folder, ["profile"]) == load_or_make_secrets(folder, ["profile"])


def test_a_new_service_gets_a_key_and_the_others_keep_theirs(folder: DataFolder) -> None:
    first = load_or_make_secrets(folder, ["profile"])
    second = load_or_make_secrets(folder, ["profile", "churn"])
    assert second.api_key == first.api_key
    assert second.service_keys["profile"] == first.service_keys["profile"]
    ring = KeyRing(folder.keys_file)
    assert ring.caller(first.api_key) is not None
    caller = ring.caller(second.service_keys["churn"])
    assert caller is not None
    assert (caller.role, caller.actor) == ("service", "churn")


def test_every_secret_file_is_for_its_owner_alone(folder: DataFolder) -> None:
    load_or_make_secrets(folder, ["profile"])
    for path in (*folder.secrets.iterdir(), folder.keys_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sources_carry_digests_of_the_write_keys(folder: DataFolder) -> None:
    secrets = load_or_make_secrets(folder, [])
    by_kind = {source["kind"]: source for source in secrets.sources()}
    assert set(by_kind) == {"server", "web"}
    assert by_kind["web"]["digest"] == digest(secrets.write_keys["web"])


def test_identity_keys_are_those_that_ingest_derives(folder: DataFolder) -> None:
    secrets = load_or_make_secrets(folder, [])
    of_ingest = BlindIndexKeys.from_deployment_key(secrets.deployment_key)
    keys = secrets.identity_keys()
    assert set(keys) == set(NEVER_REISSUED)
    for namespace, text in keys.items():
        assert base64.b64decode(text) == of_ingest.namespace_key(namespace)


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(b"short").decode()])
def test_a_damaged_deployment_key_stops_the_start(folder: DataFolder, text: str) -> None:
    deployment_key_file(folder).write_text(text)
    with pytest.raises(StartFailed, match="deployment key"):
        load_or_make_secrets(folder, [])
    assert deployment_key_file(folder).read_text() == text


def test_a_missing_deployment_key_is_an_error_to_read(folder: DataFolder) -> None:
    with pytest.raises(StartFailed, match="cannot be read"):
        read_deployment_key(deployment_key_file(folder))


def test_lost_api_keys_are_issued_anew(folder: DataFolder) -> None:
    before = load_or_make_secrets(folder, ["profile"])
    folder.keys_file.unlink()
    after = load_or_make_secrets(folder, ["profile"])
    assert after.api_key != before.api_key
    assert after.deployment_key == before.deployment_key
    assert KeyRing(folder.keys_file).caller(after.api_key) is not None


def test_credentials_are_written_with_the_documented_names(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    credentials = Credentials("a", "w", "p", {"ingest": "http://x"}, {"ingest": "postgresql://x"}, "h:1")
    credentials.write(path)
    assert set(json.loads(path.read_text())) == {
        "api_key",
        "write_key",
        "web_write_key",
        "addresses",
        "database",
        "bootstrap_servers",
    }
    assert Credentials.read(path) == credentials
    path.write_text('{"api_key": "a"}')
    with pytest.raises(ValueError, match="not a credentials file"):
        Credentials.read(path)
