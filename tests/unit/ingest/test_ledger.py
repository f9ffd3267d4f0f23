"""The erasure ledger: what it says is written is on the disk to the last byte, or the erasure fails."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.ingest.ledger import ClosedIdentifier, Entry, ErasedSubject, ErasureLedger

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
ENTRIES: list[Entry] = [ErasedSubject(b"s" * 16, AT), ClosedIdentifier(b"i" * 16, 2, AT)]


@pytest.fixture
def ledger(tmp_path: Path) -> ErasureLedger:
    return ErasureLedger(tmp_path / "kept" / "ledger.ndjson")


async def test_what_was_added_is_read_again_in_order(ledger: ErasureLedger) -> None:
    assert ledger.read() == []
    await ledger.add(ENTRIES)
    await ledger.add(ENTRIES[:1])
    assert ledger.read() == [*ENTRIES, ENTRIES[0]]


async def test_what_the_disk_takes_in_parts_is_written_whole(
    ledger: ErasureLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, bytes(data)[:7]))
    await ledger.add(ENTRIES)
    assert ledger.read() == ENTRIES


async def test_a_disk_that_fills_up_in_the_middle_fails_the_erasure(
    ledger: ErasureLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.add(ENTRIES)
    write, taken = os.write, 0

    def nearly_full(file: int, data: bytes) -> int:
        nonlocal taken
        if taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = write(file, bytes(data)[:7])
        return taken

    monkeypatch.setattr(os, "write", nearly_full)
    with pytest.raises(OSError, match="No space left"):
        await ledger.add(ENTRIES)
    monkeypatch.undo()
    # The half of a line told of nothing that was committed; what comes after it is read.
    await ledger.add(ENTRIES)
    assert ledger.read() == [*ENTRIES, *ENTRIES]
