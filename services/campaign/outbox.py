"""Forgetting in the file outbox: lines of erased people go from files that nobody has collected yet."""

import os
from collections.abc import Collection
from pathlib import Path
from uuid import UUID


def forget_lines(folder: Path, customer_ids: Collection[UUID]) -> int:
    """Rewrite every file in which one of the customers is named, without their lines; return how many lines went.

    A file is replaced whole, so that whoever collects it sees it before or after. One that is collected meanwhile
    is left to whoever has it.
    """
    names = [str(customer_id).encode() for customer_id in customer_ids]
    return sum(_rewrite(path, names) for path in sorted(folder.glob("*.ndjson"))) if names else 0


def _rewrite(path: Path, names: Collection[bytes]) -> int:
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return 0
    kept = [line for line in lines if not any(name in line for name in names)]
    if len(kept) < len(lines):
        fresh = path.with_suffix(".forgetting")
        with fresh.open("wb") as file:
            file.writelines(kept)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    return len(lines) - len(kept)
