"""Owns trained versions on disk: a folder and a manifest with hashes each, and a pointer to the one in use.

Layout: `ROOT/<service>/<version>/manifest.json` beside the artefact files, and `ROOT/<service>/current.json`
with the versions promoted so far, newest last, and who asked for which change. A version's folder appears whole
(rename) or not at all, and goes in the same way; the pointer is replaced, never edited, so a reader sees the old
version or the new one and nothing between, and a change is written down in the moment in which it happens.

Any number of processes may save, promote, roll back and prune at once: whatever changes what is in use does so one
after the other, and is judged against what is in use then.
"""

import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

KEPT_VERSIONS = 5
CHANGES_KEPT = 100
_MANIFEST = "manifest.json"
_POINTER = "current.json"
_LOCK = ".lock"
_DROPPED = ".dropped-"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


class RegistryError(Exception):
    """Something asked of the registry cannot be done; the message says what and why."""


class UnknownVersionError(RegistryError):
    """No such version on disk, or none was ever promoted."""


class ChangedMeanwhileError(RegistryError):
    """Another version is in use by now than the one that was to be left."""


class CorruptArtefactError(RegistryError):
    """A file differs from the hash in its manifest, or is missing."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure with its 95 % interval; `low` and `high` equal `value` where no interval was computed."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known about a trained version. Times are RFC 3339 UTC; `files` maps a name to its SHA-256."""

    service: str
    created_at: str
    window_from: str
    window_until: str
    code_version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, Metric]] = field(default_factory=dict)
    version: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate's answer: whether a version may serve, and the reason a person reads."""

    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class By:
    """Who asks for a change of what is in use, and when (RFC 3339 UTC)."""

    actor: str = "unknown"
    at: str = ""

    @classmethod
    def of(cls, actor: str, at: datetime) -> "By":
        return cls(actor, at.isoformat())


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a request to change what is in use: `action` is promoted, refused or rolled_back.

    `in_use` is the version afterwards and `before` that until then; of a refusal both are the same.
    """

    action: str
    version: str
    before: str | None
    in_use: str | None
    reason: str
    actor: str
    at: str


Gate = Callable[[Manifest, Manifest | None], Verdict]
"""Judges (candidate, version in use or None)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A version read back whole, every file checked against its hash."""

    manifest: Manifest
    files: Mapping[str, bytes]


def code_version(*sources: Path) -> str:
    """Return twelve hex digits over the given source files and folders of Python files, in a fixed order."""
    digest = hashlib.sha256()
    for source in sources:
        for path in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def not_worse(metric: str, tolerance: float = 0.01) -> Gate:
    """Return a gate: `metric` may fall by the relative `tolerance`; a first version passes."""

    def judge(candidate: Manifest, in_use: Manifest | None) -> Verdict:
        found = candidate.metrics.get(metric)
        if found is None:
            return Verdict(passed=False, reason=f"the candidate has no metric {metric}")
        if not math.isfinite(found.value):
            return Verdict(passed=False, reason=f"{metric} of the candidate is {found.value}, which is no figure")
        before = in_use.metrics.get(metric) if in_use else None
        if before is None:
            return Verdict(passed=True, reason=f"{metric} {found.value:.4f}, nothing to compare with")
        floor = before.value * (1 - tolerance)
        text = f"{metric} {found.value:.4f} against {before.value:.4f} in use (floor {floor:.4f})"
        return Verdict(passed=found.value >= floor, reason=text)

    return judge


class Registry:
    """One service's versions under `root` (`DATA_DIR/models`): one writer, any number of readers."""

    def __init__(self, root: Path, service: str, kept: int = KEPT_VERSIONS) -> None:
        """Remember where; nothing is created before the first save."""
        self._folder = root / _checked_name(service)
        self._kept = kept

    def save(self, manifest: Manifest, files: Mapping[str, bytes], *, prune: bool = True) -> Manifest:
        """Store a version, not yet promoted, and drop the oldest unless told otherwise; return the manifest whole."""
        if not files:
            raise RegistryError("a version needs at least one file")
        hashes = {_checked_name(name): hashlib.sha256(body).hexdigest() for name, body in files.items()}
        whole = replace(manifest, version=_version_name(manifest.created_at, hashes), files=hashes)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write_version(whole, files)
        if prune:
            self.prune()
        return whole

    def prune(self, held: AbstractSet[str] = frozenset()) -> set[str]:
        """Drop all but the newest `kept`; that in use, the one before it and those `held` stay. Return what went."""
        with self._locked():
            staying = {*self._history()[-2:], *held}
            names = [manifest.version for manifest in self.versions()]
            dropped = {name for name in names[: -self._kept] if name not in staying}
            if dropped:
                self._forget(dropped)
            # Whoever promotes next must no longer find them; deleting the files may take its time.
            for name in dropped:
                (self._folder / name).rename(self._folder / f"{_DROPPED}{name}")
        for folder in self._folder.glob(f"{_DROPPED}*"):
            # Another process may be deleting the same, and one that was killed over it has left its part.
            shutil.rmtree(folder, ignore_errors=True)
        return dropped

    def versions(self) -> list[Manifest]:
        """Return the manifests on disk, oldest first."""
        folders = sorted(path.parent for path in self._folder.glob(f"*/{_MANIFEST}"))
        found = [_read_manifest_if_there(folder) for folder in folders if not folder.name.startswith(".")]
        return [manifest for manifest in found if manifest is not None]

    def current(self) -> str | None:
        """Return the version in use; None before the first promotion."""
        history = self._history()
        return history[-1] if history else None

    def changes(self) -> list[Change]:
        """Return what was asked for and what became of it, the latest last; the oldest go."""
        return self._pointer()[1]

    def load(self, version: str | None = None, spare: AbstractSet[str] = frozenset()) -> Stored:
        """Read a version (by default the one in use). Raises UnknownVersionError, CorruptArtefactError.

        `spare` names files that the reader can do without: missing or damaged ones are left out.
        """
        name = version or self.current()
        if name is None:
            raise UnknownVersionError("no version was promoted yet")
        try:
            return self._read(name, spare)
        except RegistryError:
            if version is not None or self.current() == name:
                raise
        # Others came into use meanwhile, and the one that was in use has gone.
        return self.load(None, spare)

    def promote(self, version: str, gate: Gate, by: By = By()) -> Verdict:
        """Put a version in use if the gate lets it through, its files checked first. The verdict says why."""
        candidate = self.load(version).manifest
        with self._locked():
            self._existing(version)
            in_use = self.current()
            verdict = gate(candidate, _read_manifest(self._existing(in_use)) if in_use else None)
            history = self._history()
            if verdict.passed and version != in_use:
                history = [*history, version]
            action = "promoted" if verdict.passed else "refused"
            now = history[-1] if history else None
            self._point(history, Change(action, version, in_use, now, verdict.reason, by.actor, by.at))
        return verdict

    def rollback(self, by: By = By(), leaving: str | None = None) -> str:
        """Return to the version promoted before the one in use.

        Raises UnknownVersionError where there is none, ChangedMeanwhileError where `leaving` is not in use any more.
        """
        with self._locked():
            in_use, earlier = self.current(), self._history()[:-1]
            if leaving is not None and leaving != in_use:
                raise ChangedMeanwhileError(f"{leaving} is not in use any more: {in_use} is")
            if not earlier:
                raise UnknownVersionError("there is no earlier version to return to")
            self.load(earlier[-1])
            change = Change("rolled_back", earlier[-1], in_use, earlier[-1], "rolled back", by.actor, by.at)
            self._point(earlier, change)
        return earlier[-1]

    def _read(self, name: str, spare: AbstractSet[str]) -> Stored:
        folder = self._existing(name)
        manifest = _read_manifest(folder)
        files = {}
        for file, digest in manifest.files.items():
            try:
                files[file] = _checked_bytes(folder / file, digest)
            except CorruptArtefactError:
                if file not in spare:
                    raise
        return Stored(manifest, files)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let two processes change what is in use one after the other; a reader needs no lock."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / _LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _existing(self, version: str) -> Path:
        folder = self._folder / _checked_name(version)
        if not (folder / _MANIFEST).is_file():
            raise UnknownVersionError(f"there is no version {version}")
        return folder

    def _history(self) -> list[str]:
        return self._pointer()[0]

    def _pointer(self) -> tuple[list[str], list[Change]]:
        """Return the versions promoted so far and the changes, both latest last."""
        try:
            read = json.loads((self._folder / _POINTER).read_text())
            return [str(name) for name in read["promoted"]], [Change(**each) for each in read.get("changes", [])]
        except FileNotFoundError:
            return [], []
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise CorruptArtefactError(f"{_POINTER} of {self._folder.name} cannot be read: {error}") from error

    def _point(self, history: list[str], change: Change | None = None) -> None:
        """Replace the pointer, and write the change down with it."""
        changes = [*self.changes(), *([] if change is None else [change])][-CHANGES_KEPT:]
        document = {"promoted": history[-self._kept :], "changes": [asdict(each) for each in changes]}
        _replace(self._folder / _POINTER, json.dumps(document).encode())

    def _write_version(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        target = self._folder / manifest.version
        staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=self._folder))
        try:
            for name, body in files.items():
                _write_synced(staging / name, body)
            _write_synced(staging / _MANIFEST, json.dumps(asdict(manifest), indent=1, default=str).encode())
            with self._locked():
                # Same moment and same bytes: the same version.
                if not target.exists():
                    staging.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _forget(self, dropped: set[str]) -> None:
        history = self._history()
        if dropped.intersection(history):
            self._point([name for name in history if name not in dropped])


def _checked_name(name: str) -> str:
    if not _SAFE_NAME.fullmatch(name) or name in {_MANIFEST, _POINTER}:
        raise RegistryError(f"{name!r} is not a usable file or version name")
    return name


def _version_name(created_at: str, hashes: Mapping[str, str]) -> str:
    """Sortable by time, distinct by content."""
    moment = datetime.fromisoformat(created_at).strftime("%Y%m%dT%H%M%S%f")
    digest = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
    return f"{moment}-{digest[:8]}"


def _read_manifest(folder: Path) -> Manifest:
    try:
        raw = json.loads((folder / _MANIFEST).read_bytes())
        raw["metrics"] = _metrics(raw["metrics"])
        raw["segments"] = {name: _metrics(values) for name, values in raw["segments"].items()}
        return Manifest(**raw)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CorruptArtefactError(f"the manifest of {folder.name} cannot be read: {error}") from error


def _read_manifest_if_there(folder: Path) -> Manifest | None:
    """Read a manifest; None where its version was dropped since its folder was listed."""
    try:
        return _read_manifest(folder)
    except CorruptArtefactError:
        if (folder / _MANIFEST).exists():
            raise
        return None


def _metrics(raw: Mapping[str, Mapping[str, float]]) -> dict[str, Metric]:
    return {name: Metric(**value) for name, value in raw.items()}


def _checked_bytes(path: Path, digest: str) -> bytes:
    try:
        body = path.read_bytes()
    except OSError as error:
        raise CorruptArtefactError(f"{path.name} of {path.parent.name} cannot be read: {error}") from error
    if hashlib.sha256(body).hexdigest() != digest:
        raise CorruptArtefactError(f"{path.name} of {path.parent.name} differs from its manifest")
    return body


def _write_synced(path: Path, body: bytes) -> None:
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, body: bytes) -> None:
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    _write_synced(staging, body)
    staging.replace(path)
