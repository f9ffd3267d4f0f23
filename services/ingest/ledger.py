"""The erasure ledger: hashes of who was erased, in a file outside of every database and its back-ups.

A restored database does not know of erasures that came after its back-up; this file does. It holds keyed hashes
only, is only ever appended to, and is written before the erasure that it tells of is committed.
"""

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
import structlog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ErasedSubject:
    """A subject that was erased, by its hash."""

    digest: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class ClosedIdentifier:
    """An identifier whose owner was erased, by its hash."""

    digest: bytes
    generation: int
    at: datetime


Entry = ErasedSubject | ClosedIdentifier


@dataclass(frozen=True, slots=True)
class ErasureLedger:
    """The file of one deployment."""

    path: Path

    async def add(self, entries: Sequence[Entry]) -> None:
        """Write the entries through to the disk."""
        await asyncio.to_thread(self._append, b"".join(_line(entry) for entry in entries))

    def _append(self, lines: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if not is_new and self._is_cut_off():
                lines = b"\n" + lines
            _write_all(file, lines)
            os.fsync(file)
        finally:
            os.close(file)
        if is_new:
            _sync_folder(self.path.parent)

    def _is_cut_off(self) -> bool:
        """Say whether a crash left half a line at the end."""
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            return file.read() not in {b"", b"\n"}

    def read(self) -> list[Entry]:
        """Return every entry. Half a line, left by a crash, told of an erasure that was not committed either."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return list(_entries(lines))


def _line(entry: Entry) -> bytes:
    document: dict[str, object] = {"at": entry.at.isoformat()}
    if isinstance(entry, ErasedSubject):
        document["subject"] = entry.digest.hex()
    else:
        document |= {"identifier": entry.digest.hex(), "generation": entry.generation}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _entries(lines: Iterable[bytes]) -> Iterable[Entry]:
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            document = orjson.loads(line)
            at = datetime.fromisoformat(document["at"])
            if "subject" in document:
                yield ErasedSubject(bytes.fromhex(document["subject"]), at)
            else:
                yield ClosedIdentifier(bytes.fromhex(document["identifier"]), document["generation"], at)
        except (ValueError, KeyError, TypeError):
            log.warning("erasures.ledger_line_unreadable", line=number)


def _write_all(file: int, lines: bytes) -> None:
    """Write to the last byte: a disk that is nearly full takes a part, and says so only to who looks."""
    left = memoryview(lines)
    while left:
        left = left[os.write(file, left) :]


def _sync_folder(folder: Path) -> None:
    # A file's name is durable only once its folder is.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
