"""How many events one profile worker applies a second, beside a bare COPY of the same bytes.

The measured path is the worker's own: decoding, the fenced transaction with its positions, facts, totals and marks.
The broker is left out; batches are as large as the worker takes them.
"""

import asyncio
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from regulars.bench.numbered import BEHAVIOUR, ORIGIN, PARTITION, PARTITIONS, RECEIPTS, Kind, batches
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.ports import free_port
from services.profile.app import MIGRATIONS
from services.profile.consumer import subscription
from shared import leases, migrations
from shared.db import Database
from shared.worker.applier import Applier
from shared.worker.domain import BATCH_RECORDS, Line, Position

LEASE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class ProfileBench:
    """Rates in events a second over the whole run; `ratio` is applied / copied."""

    what: str
    events: int
    batch: int
    megabytes: float
    applied_per_second: float
    copied_per_second: float
    ratio: float
    slowest_batch_ms: float

    def in_words(self) -> str:
        return (
            f"profile: one worker applied {self.events:,} {self.what} ({self.megabytes:.0f} MB)"
            f" at {self.applied_per_second:,.0f}/s in batches of {self.batch}"
            f" (slowest {self.slowest_batch_ms:.0f} ms); a bare COPY of the same bytes ran at"
            f" {self.copied_per_second:,.0f}/s: ratio {self.ratio:.2f}"
        )

    def as_json(self) -> dict[str, object]:
        return {"bench": "profile", **asdict(self)}


async def measure(dsn: str, kind: Kind = RECEIPTS, events: int = 50_000) -> ProfileBench:
    """Measure on a database that holds no event of this kind yet; it is migrated here and left filled."""
    await asyncio.to_thread(migrations.upgrade, dsn, MIGRATIONS)
    database = await Database.connect(dsn, application="bench-profile")
    try:
        bare = await _copy(database, kind, events)
        times, total_bytes = await _apply(database, kind, events)
    finally:
        await database.close()
    seconds = sum(times)
    return ProfileBench(
        what=kind.what,
        events=events,
        batch=BATCH_RECORDS,
        megabytes=round(total_bytes / 1e6, 1),
        applied_per_second=round(events / seconds, 1),
        copied_per_second=round(events / bare, 1),
        ratio=round(bare / seconds, 4),
        slowest_batch_ms=round(max(times) * 1000, 1),
    )


async def _apply(database: Database, kind: Kind, events: int) -> tuple[list[float], int]:
    """Return the seconds that each batch took, and the bytes of all."""
    applier = Applier(database, subscription(PARTITIONS), "profile", "bench")
    lease = await leases.claim(database, f"partition:{PARTITION}", "bench", seconds=LEASE_SECONDS)
    assert lease is not None
    line: Line = (ORIGIN, kind.topic)
    known = {line: Position(ORIGIN, kind.topic, PARTITION)}
    seconds, total_bytes = [], 0
    for records in batches(kind, events, BATCH_RECORDS):
        started = time.perf_counter()
        known = await applier.apply(lease, known, records, {line: records[-1].seq})
        seconds.append(time.perf_counter() - started)
        total_bytes += sum(len(record.body) for record in records)
    return seconds, total_bytes


async def _copy(database: Database, kind: Kind, events: int) -> float:
    """Return the seconds that COPY takes for the same bodies, in the same batches, each its own commit."""
    await database.execute("CREATE TABLE bare_copy (event_id uuid PRIMARY KEY, body bytea NOT NULL)")
    seconds = 0.0
    for records in batches(kind, events, BATCH_RECORDS):
        rows = [(record.event_id, record.body) for record in records]
        started = time.perf_counter()
        async with database.transaction() as tx:
            await tx.copy("bare_copy", ("event_id", "body"), rows)
        seconds += time.perf_counter() - started
    await database.execute("DROP TABLE bare_copy")
    return seconds


def run(kind: Kind = RECEIPTS, events: int = 50_000) -> ProfileBench:
    """Measure on a PostgreSQL of the benchmark's own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="regulars bench ") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = EmbeddedPostgres(folder, free_port())
        try:
            server.start()
            return asyncio.run(measure(server.create_database("profile"), kind, events))
        finally:
            server.destroy()


if __name__ == "__main__":
    for each in (RECEIPTS, BEHAVIOUR):
        print(run(each).in_words())
