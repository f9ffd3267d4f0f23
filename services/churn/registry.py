"""Owns trained models on disk: atomic writes, manifests with hashes, the pointer to the one in use."""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from services.churn.logistic import Logistic
from services.churn.scorer import Head, Model, Trees

KEPT = 5
MANIFEST = "manifest.json"
POINTER = "current.json"
HEADS = ("hazard", "lapse28", "partial56")


class RegistryError(Exception):
    """A model cannot be stored, found or trusted."""


class NoSuchVersion(RegistryError):
    """The version was never stored, or was removed after newer ones."""


class ModelDamaged(RegistryError):
    """A stored file differs from the hash in its manifest."""


class NothingToRollBackTo(RegistryError):
    """No earlier version was in use, or it is no longer stored."""


@dataclass(frozen=True)
class Manifest:
    """What a version is made of; `files` maps each file to its SHA-256."""

    version: str
    created_at: str
    code_version: str
    data: dict[str, Any]
    parameters: dict[str, Any]
    metrics: dict[str, Any]
    files: dict[str, str]


@dataclass(frozen=True)
class Pointer:
    """The version in use and those in use before it, newest first."""

    version: str
    before: tuple[str, ...]
    changed_at: str
    why: str


class Registry:
    """Versions under one folder (data_dir/models/churn), one writer at a time, any number of readers."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._folder = folder
        self._threads = threads
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, model: Model, description: dict[str, Any], metrics: dict[str, Any], at: datetime) -> Manifest:
        """Store a version (not in use until promoted) and drop the oldest beyond five.

        `description` has code_version, data and parameters, as a candidate gives them.
        """
        texts = _texts(model)
        files = {name: _hash(text.encode()) for name, text in texts.items()}
        version = f"{at:%Y%m%dT%H%M%SZ}-{_hash(json.dumps(files, sort_keys=True).encode())[:8]}"
        manifest = Manifest(version, at.isoformat(), metrics=metrics, files=files, **description)
        texts[MANIFEST] = json.dumps(asdict(manifest), indent=2, sort_keys=True)
        self._store(version, texts)
        self._prune()
        return manifest

    def versions(self) -> list[Manifest]:
        """Newest first."""
        found = sorted((path.parent.name for path in self._folder.glob(f"*/{MANIFEST}")), reverse=True)
        return [self.manifest(version) for version in found]

    def manifest(self, version: str) -> Manifest:
        """Read what a version is made of. Raises NoSuchVersion."""
        try:
            return Manifest(**json.loads(self._path(version, MANIFEST).read_text()))
        except FileNotFoundError as error:
            raise NoSuchVersion(f"no churn model {version}") from error

    def load(self, version: str) -> Model:
        """Read a version back and check its hashes. Raises NoSuchVersion, ModelDamaged."""
        texts = {name: self._read(version, name, digest) for name, digest in self.manifest(version).files.items()}
        heads = {name: self._head(texts, name) for name in HEADS}
        challengers = {name: Logistic.of_json(data) for name, data in json.loads(texts["challengers.json"]).items()}
        return Model(**heads, challengers=challengers)

    def current(self) -> Pointer | None:
        try:
            data = json.loads((self._folder / POINTER).read_text())
        except FileNotFoundError:
            return None
        return Pointer(data["version"], tuple(data["before"]), data["changed_at"], data["why"])

    def promote(self, version: str, at: datetime, why: str) -> Pointer:
        """Put a stored version in use. Raises NoSuchVersion; promoting the one in use changes nothing."""
        self.manifest(version)
        now = self.current()
        if now is not None and now.version == version:
            return now
        before = () if now is None else (now.version, *now.before)
        return self._point(Pointer(version, before[:KEPT], at.isoformat(), why))

    def rollback(self, at: datetime, why: str) -> Pointer:
        """Put the version before the current one back in use. Raises NothingToRollBackTo."""
        now = self.current()
        stored = {manifest.version for manifest in self.versions()}
        earlier = [version for version in (now.before if now else ()) if version in stored]
        if not earlier:
            raise NothingToRollBackTo("no earlier churn model is stored")
        return self._point(Pointer(earlier[0], tuple(earlier[1:]), at.isoformat(), why))

    def _path(self, version: str, name: str) -> Path:
        if version != Path(version).name or version.startswith("."):
            raise NoSuchVersion(f"no churn model {version}")
        return self._folder / version / name

    def _read(self, version: str, name: str, digest: str) -> str:
        try:
            content = self._path(version, name).read_bytes()
        except FileNotFoundError as error:
            raise ModelDamaged(f"{version}: {name} is missing") from error
        if _hash(content) != digest:
            raise ModelDamaged(f"{version}: {name} differs from its hash in the manifest")
        return content.decode()

    def _head(self, texts: dict[str, str], name: str) -> Head:
        if f"{name}.txt" in texts:
            return Trees(texts[f"{name}.txt"], self._threads)
        return Logistic.of_json(json.loads(texts[f"{name}.json"]))

    def _store(self, version: str, texts: dict[str, str]) -> None:
        """All files or none: written beside, flushed to disk, then renamed."""
        target = self._folder / version
        if target.exists():
            return
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self._folder))
        for name, text in texts.items():
            _write(draft / name, text)
        draft.rename(target)
        _sync(self._folder)

    def _point(self, pointer: Pointer) -> Pointer:
        draft = self._folder / f".{POINTER}.{os.getpid()}"
        _write(draft, json.dumps(asdict(pointer), indent=2))
        draft.replace(self._folder / POINTER)
        _sync(self._folder)
        return pointer

    def _prune(self) -> None:
        now = self.current()
        used = {now.version, *now.before[:1]} if now else set()
        for manifest in self.versions()[KEPT:]:
            if manifest.version not in used:
                shutil.rmtree(self._folder / manifest.version)


def _texts(model: Model) -> dict[str, str]:
    texts = {"challengers.json": json.dumps({name: one.as_json() for name, one in model.challengers.items()})}
    for name in HEADS:
        head = getattr(model, name)
        if isinstance(head, Trees):
            texts[f"{name}.txt"] = head.text
        else:
            texts[f"{name}.json"] = json.dumps(head.as_json())
    return texts


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, text: str) -> None:
    with path.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Flush the folder: a rename is durable only once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
