"""docker-compose.yml is well-formed, safe and agrees with the services; each fault of a kind is found."""

import base64
import copy
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.identity import BlindIndexKeys
from shared.keys import Caller, digest, read_keys
from shared.settings import ServiceSettings
from tools import compose_check, compose_secrets, service_settings


class ProfileLike(ServiceSettings):
    """What profile reads: the common settings."""

    model_config = SettingsConfigDict(env_prefix="PROFILE_")


class IngestLike(ServiceSettings):
    """What ingest reads besides: its deployment's key and its vault."""

    model_config = SettingsConfigDict(env_prefix="INGEST_")

    deployment_key: SecretStr = Field(description="key of the deployment")
    vault_database_url: SecretStr = Field(description="address of the vault")


KNOWN: dict[str, type[BaseSettings]] = {"ingest": IngestLike, "profile": ProfileLike}


@pytest.fixture
def compose() -> dict[str, Any]:
    """The project's file, parsed into objects of its own: YAML's anchors are shared when loaded."""
    loaded = compose_check.load()
    return {**loaded, "services": {name: copy.deepcopy(each) for name, each in loaded["services"].items()}}


def test_the_compose_file_has_no_fault_beside_common_settings(compose: dict[str, Any]) -> None:
    assert not list(compose_check.faults(compose, KNOWN))


@pytest.mark.parametrize("service", service_settings.SERVICES)
@pytest.mark.parametrize("role", compose_check.ROLES)
def test_every_service_runs_in_every_role(compose: dict[str, Any], service: str, role: str) -> None:
    definition = compose["services"][f"{service}-{role}"]
    assert definition["command"] == [role]
    assert definition["build"]["args"]["SERVICE"] == service


def drop(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(service: dict[str, Any]) -> None:
        for step in path[:-1]:
            service = service[step]
        del service[path[-1]]

    return change


def put(value: object, *path: str) -> Callable[[dict[str, Any]], None]:
    def change(service: dict[str, Any]) -> None:
        for step in path[:-1]:
            service = service[step]
        service[path[-1]] = value

    return change


FAULTS = {
    "no health check": (drop("healthcheck"), "'healthcheck' is a required property"),
    "no patience at the start": (drop("healthcheck", "start_period"), "not valid under any"),
    "a health check turned off": (put({"disable": True}, "healthcheck"), "needs a health check"),
    "no memory limit": (drop("mem_limit"), "'mem_limit' is a required property"),
    "no limit of processes": (drop("pids_limit"), "'pids_limit' is a required property"),
    "logs without rotation": (put({"driver": "json-file", "options": {}}, "logging"), "'max-size'"),
    "a writable file system": (put(False, "read_only"), "must be read-only"),
    "a capability kept": (put(["NET_RAW"], "cap_drop"), "was expected"),
    "a port open to the world": (put(["8002:8002"], "ports"), "does not match"),
    "a port nobody listens on": (put(["127.0.0.1:8002:9002"], "ports"), "published"),
    "an option unknown": (put(True, "privileged"), "'privileged' was unexpected"),
    "another recipe": (put("Dockerfile", "build", "dockerfile"), "was expected"),
    "a health check of nobody": (
        put(["CMD", "healthcheck", "9999", "ready"], "healthcheck", "test"),
        "9999 is asked",
    ),
    "a dependency unknown": (
        put({"condition": "service_healthy"}, "depends_on", "zookeeper"),
        "zookeeper, which is not there",
    ),
    "a wait without end": (
        put({"condition": "service_healthy"}, "depends_on", "profile-migrate"),
        "never comes true",
    ),
    "a setting unknown": (put("1", "environment", "PROFILE_SPEED"), "PROFILE_SPEED is no setting"),
    "a setting missing": (drop("environment", "PROFILE_CURRENCY"), "PROFILE_CURRENCY is required"),
    "a secret in the open": (
        put("postgresql://profile:1@postgres/profile", "environment", "PROFILE_DATABASE_URL"),
        "secret and belongs in a file",
    ),
    "a number where text belongs": (put(8002, "environment", "PROFILE_PORT"), "is not of type 'string'"),
    "a peer at another port": (
        put('{"ingest": "http://ingest-api:8009"}', "environment", "PROFILE_PEERS"),
        "nothing of ingest answers",
    ),
    "a secret not declared": (
        put([{"source": "shadow", "target": "PROFILE_DATABASE_URL"}], "secrets"),
        "secret shadow is used but not declared",
    ),
    "a volume not declared": (put(["heap:/heap"], "volumes"), "volume heap is not declared"),
    "a mount of nothing": (put(["./nowhere:/data"], "volumes"), "mounts ./nowhere"),
}


@pytest.mark.parametrize(("change", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_found(compose: dict[str, Any], change: Callable[[dict[str, Any]], None], expected: str) -> None:
    change(compose["services"]["profile-api"])
    assert [fault for fault in compose_check.faults(compose, KNOWN) if expected in fault]


def test_a_missing_role_is_found(compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose_check, "services_there", lambda: ["profile"])
    del compose["services"]["profile-worker"]
    assert "profile-worker is missing" in list(compose_check.faults(compose, {}))


def test_every_secret_of_the_file_is_made(compose: dict[str, Any], tmp_path: Path) -> None:
    compose_secrets.write_secrets(tmp_path / "secrets")
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    assert {Path(each["file"]).name for each in compose["secrets"].values()} <= made


def test_secrets_are_closed_to_others_and_never_made_twice(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    compose_secrets.write_secrets(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = (folder / "ingest_deployment_key").read_text()
    with pytest.raises(FileExistsError):
        compose_secrets.write_secrets(folder)
    assert (folder / "ingest_deployment_key").read_text() == before


def test_a_service_shows_a_key_that_the_keys_file_knows(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    compose_secrets.write_secrets(folder)
    known: dict[str, Caller] = {entry.digest: entry.caller for entry in read_keys(folder / "keys" / "keys.json")}
    assert known[digest((folder / "churn_service_key").read_text())].actor == "churn"
    assert known[digest((folder / "administrator_key").read_text())].role == "administrator"


def test_the_keys_lent_are_those_that_ingest_derives(tmp_path: Path) -> None:
    compose_secrets.write_secrets(tmp_path / "secrets")
    deployment_key = base64.b64decode((tmp_path / "secrets/ingest_deployment_key").read_text())
    lent = json.loads((tmp_path / "secrets/recommend_identity_keys").read_text())
    derived = BlindIndexKeys.from_deployment_key(deployment_key).namespace_key("loyalty_card")
    assert base64.b64decode(lent["loyalty_card"]) == derived
    assert set(lent) == {"loyalty_card", "user_id"}


def test_the_database_script_makes_every_database_that_a_secret_names(compose: dict[str, Any]) -> None:
    script = (service_settings.ROOT / "deploy/postgres/init/10-databases.sh").read_text()
    (names,) = [line for line in script.splitlines() if line.startswith("for name in ")]
    databases = names.removeprefix("for name in ").removesuffix("; do").split()
    passwords = [name for name in compose["secrets"] if name.endswith("_database_password")]
    assert sorted(f"{name}_database_password" for name in databases) == sorted(passwords)


def test_the_image_runs_as_nobody_special_and_starts_in_exec_form() -> None:
    recipe = (service_settings.ROOT / "deploy/Dockerfile").read_text()
    assert "USER 10001:10001" in recipe
    assert 'ENTRYPOINT ["service"]' in recipe
    assert "--require-hashes" in recipe
