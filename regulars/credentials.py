"""The secrets of a deployment, made once, and the two files that hand them out: keys.json, credentials.json."""

import base64
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from regulars.errors import StartFailed
from regulars.files import write_private
from regulars.folder import DataFolder
from shared.identity import NEVER_REISSUED, BlindIndexKeys
from shared.keys import WRITE_PREFIX, KeyEntry, digest, issue_key, new_key, read_keys, write_keys

DEPLOYMENT_KEY_BYTES = 32
_ADMINISTRATOR = "administrator"
# The sources that every deployment begins with, by the kind that says what they may do.
_SOURCE_KINDS = ("server", "web")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What `up` writes into DATA_DIR/credentials.json: every key and address that a caller needs."""

    api_key: str
    write_key: str
    web_write_key: str
    addresses: Mapping[str, str]
    database: Mapping[str, str]
    bootstrap_servers: str

    def write(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Credentials":
        """Read the file. Raises FileNotFoundError, or ValueError when it is not one."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except TypeError as error:
            raise ValueError(f"{path} is not a credentials file: {error}") from error


@dataclass(frozen=True, slots=True)
class Secrets:
    """Everything secret of one deployment. `service_keys` is by service, `write_keys` by the source's kind."""

    deployment_key: bytes
    api_key: str
    service_keys: Mapping[str, str]
    write_keys: Mapping[str, str]

    @property
    def deployment_key_text(self) -> str:
        return base64.b64encode(self.deployment_key).decode()

    def identity_keys(self) -> dict[str, str]:
        """Return the blind-index keys (base64) of the namespaces that are never issued again."""
        keys = BlindIndexKeys.from_deployment_key(self.deployment_key)
        return {
            namespace: base64.b64encode(keys.namespace_key(namespace)).decode()
            for namespace in sorted(NEVER_REISSUED)
        }

    def sources(self) -> list[dict[str, str]]:
        """Return the first sources as ingest takes them: id, kind and the digest of the write key."""
        return [{"id": kind, "kind": kind, "digest": digest(key)} for kind, key in self.write_keys.items()]


def load_or_make_secrets(folder: DataFolder, services: Iterable[str]) -> Secrets:
    """Read the deployment's secrets, making what is missing; new API keys are added to keys.json.

    Raises StartFailed when a secret that exists cannot be read: a new deployment key would orphan all data.
    """
    stored = _stored_keys(folder)
    issued: list[KeyEntry] = []
    if "api_key" not in stored:
        stored["api_key"] = _issue(issued, _ADMINISTRATOR, _ADMINISTRATOR)
    for service in services:
        if f"service:{service}" not in stored:
            stored[f"service:{service}"] = _issue(issued, "service", service)
    for kind in _SOURCE_KINDS:
        stored.setdefault(f"source:{kind}", new_key(WRITE_PREFIX))
    if issued:
        known = read_keys(folder.keys_file) if folder.keys_file.exists() else []
        write_keys(folder.keys_file, [*known, *issued])
    write_private(_keys_path(folder), json.dumps(stored, indent=2) + "\n")
    return Secrets(
        deployment_key=_deployment_key(folder),
        api_key=stored["api_key"],
        service_keys=_of_kind(stored, "service:"),
        write_keys=_of_kind(stored, "source:"),
    )


def deployment_key_file(folder: DataFolder) -> Path:
    return folder.secrets / "deployment.key"


def read_deployment_key(path: Path) -> bytes:
    """Read the key that wraps all others. Raises StartFailed when it is not 32 bytes in base64."""
    try:
        key = base64.b64decode(path.read_text(encoding="ascii").strip(), validate=True)
    except (OSError, ValueError) as error:
        raise StartFailed(f"the deployment key {path} cannot be read: {error}") from error
    if len(key) != DEPLOYMENT_KEY_BYTES:
        raise StartFailed(f"the deployment key {path} has {len(key)} bytes instead of {DEPLOYMENT_KEY_BYTES}")
    return key


def _deployment_key(folder: DataFolder) -> bytes:
    path = deployment_key_file(folder)
    if not path.exists():
        key = secrets.token_bytes(DEPLOYMENT_KEY_BYTES)
        write_private(path, base64.b64encode(key).decode() + "\n")
    return read_deployment_key(path)


def _keys_path(folder: DataFolder) -> Path:
    return folder.secrets / "keys.json"


def _stored_keys(folder: DataFolder) -> dict[str, str]:
    path = _keys_path(folder)
    if not path.exists() or not folder.keys_file.exists():
        return {}
    try:
        keys: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StartFailed(f"{path} cannot be read: {error}") from error
    return keys


def _issue(issued: list[KeyEntry], role: str, actor: str) -> str:
    key, entry = issue_key(role, actor)
    issued.append(entry)
    return key


def _of_kind(stored: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): key for name, key in stored.items() if name.startswith(prefix)}
