"""Log files of the processes: kept small, shown, followed."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

SIZE_BYTES_MAX = 10_000_000
FILES_KEPT = 3
_POLL_SECONDS = 0.3


def rotate(log_file: Path, size_bytes_max: int = SIZE_BYTES_MAX, files_kept: int = FILES_KEPT) -> bool:
    """Move a log that has grown too large into `.1`, `.2`…; tell whether it had.

    The file is copied and emptied, not renamed: its writer holds it open for appending. Lines written
    in that moment are lost, which a log may.
    """
    try:
        if log_file.stat().st_size <= size_bytes_max:
            return False
    except FileNotFoundError:
        return False
    for number in range(files_kept - 1, 0, -1):
        older = log_file.with_name(f"{log_file.name}.{number}")
        if older.exists():
            older.replace(log_file.with_name(f"{log_file.name}.{number + 1}"))
    shutil.copy2(log_file, log_file.with_name(f"{log_file.name}.1"))
    with log_file.open("r+b") as file:
        file.truncate(0)
    return True


class Follower:
    """Reads a growing log from a place on; a log that was rotated is read from its start again."""

    def __init__(self, log_file: Path, lines_before: int) -> None:
        self._path = log_file
        self._rest = b""
        text = log_file.read_bytes() if log_file.exists() else b""
        self._offset = len(text)
        kept = text.splitlines()[-lines_before:] if lines_before else []
        self.first = [line.decode("utf-8", "replace") for line in kept]

    def new_lines(self) -> list[str]:
        """Return the whole lines written since the last call."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return []
        if size < self._offset:
            self._offset, self._rest = 0, b""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        self._offset += len(text)
        *lines, self._rest = (self._rest + text).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]


def follow(followers: dict[str, Follower]) -> Iterator[tuple[str, str]]:
    """Yield (name, line) of every log as lines arrive, for ever."""
    while True:
        for name, follower in followers.items():
            for line in follower.new_lines():
                yield name, line
        time.sleep(_POLL_SECONDS)
