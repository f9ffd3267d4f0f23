"""The only source of the current time: services take "now" from a `Clock`, which tests can shift."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        ...


class SystemClock:
    """The machine's clock, shifted by `{"offset_seconds": n}` in `offset_file` where that file exists.

    The file is looked at on every call (one `stat`) and read again only when it was replaced or written to.
    """

    def __init__(self, offset_file: Path | None = None) -> None:
        self._offset_file = offset_file
        self._offset = timedelta(0)
        self._seen: tuple[int, int, int] | None = None

    def now(self) -> datetime:
        if self._offset_file is None:
            return datetime.now(UTC)
        self._refresh(self._offset_file)
        return datetime.now(UTC) + self._offset

    def _refresh(self, path: Path) -> None:
        try:
            stat = path.stat()
        except FileNotFoundError:
            self._offset, self._seen = timedelta(0), None
            return
        signature = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if signature != self._seen:
            self._offset = read_offset(path)
            self._seen = signature


class FixedClock:
    """A clock that stands still until it is moved: for tests and for evaluations as of a date."""

    def __init__(self, at: datetime) -> None:
        self._at = utc(at)

    def now(self) -> datetime:
        return self._at

    def advance(self, by: timedelta) -> None:
        self._at += by

    def set(self, at: datetime) -> None:
        self._at = utc(at)


def utc(moment: datetime) -> datetime:
    """Return the same instant in UTC; raise `ValueError` for a naive time, which names no instant."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError(f"a time without a zone names no instant: {moment.isoformat()}")
    return moment.astimezone(UTC)


def read_offset(path: Path) -> timedelta:
    """Read an offset file; raise `ValueError` when it does not hold `{"offset_seconds": number}`."""
    try:
        return timedelta(seconds=json.loads(path.read_text(encoding="utf-8"))["offset_seconds"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(f'{path} must hold {{"offset_seconds": number}}: {error}') from error


def write_offset(path: Path, offset: timedelta) -> None:
    """Replace the offset file in one step, so that no reader ever sees half of it."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps({"offset_seconds": offset.total_seconds()}), encoding="utf-8")
    fresh.replace(path)
