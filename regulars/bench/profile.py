"""How many receipts of ten lines one profile worker applies a second, beside a bare COPY of the same bytes.

The measured path is the worker's own: decoding, the fenced transaction with its positions, facts, totals and marks.
The broker is left out; batches are as large as the worker takes them.
"""

import asyncio
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import orjson

from regulars.embedded.postgres import EmbeddedPostgres
from regulars.ports import free_port
from services.profile.app import MIGRATIONS
from services.profile.consumer import subscription
from shared import leases, migrations
from shared.db import Database
from shared.identity import event_id_for, guest_subject_id
from shared.log.domain import partition_of
from shared.worker.applier import Applier
from shared.worker.domain import Incoming, Line, Position
from shared.worker.runner import BATCH_RECORDS

TOPIC = "retail.receipts.v1"
ORIGIN = "ingest#1"
PARTITION = 0
PARTITIONS = 4
LINES = 10
SHOPPERS = 5_000
STORES = 100
PRODUCTS = 20_000
GUEST_SHARE = 0.2
SEED = 20_260_302


@dataclass(frozen=True, slots=True)
class ProfileBench:
    """Rates in receipts a second over the whole run; `ratio` is applied / copied."""

    receipts: int
    lines: int
    batch: int
    megabytes: float
    applied_per_second: float
    copied_per_second: float
    ratio: float
    slowest_batch_ms: float

    def in_words(self) -> str:
        return (
            f"profile: one worker applied {self.receipts:,} receipts of {self.lines} lines"
            f" ({self.megabytes:.0f} MB) at {self.applied_per_second:,.0f}/s in batches of {self.batch}"
            f" (slowest {self.slowest_batch_ms:.0f} ms); a bare COPY of the same bytes ran at"
            f" {self.copied_per_second:,.0f}/s: ratio {self.ratio:.2f}"
        )

    def as_json(self) -> dict[str, object]:
        return {"bench": "profile", **asdict(self)}


async def measure(dsn: str, receipts: int = 50_000) -> ProfileBench:
    """Measure on an empty database, which is migrated here and left filled."""
    await asyncio.to_thread(migrations.upgrade, dsn, MIGRATIONS)
    database = await Database.connect(dsn, application="bench-profile")
    try:
        bare = await _copy(database, receipts)
        batches, total_bytes = await _apply(database, receipts)
    finally:
        await database.close()
    seconds = sum(batches)
    return ProfileBench(
        receipts=receipts,
        lines=LINES,
        batch=BATCH_RECORDS,
        megabytes=round(total_bytes / 1e6, 1),
        applied_per_second=round(receipts / seconds, 1),
        copied_per_second=round(receipts / bare, 1),
        ratio=round(bare / seconds, 4),
        slowest_batch_ms=round(max(batches) * 1000, 1),
    )


async def _apply(database: Database, receipts: int) -> tuple[list[float], int]:
    """Return the seconds that each batch took, and the bytes of all."""
    applier = Applier(database, subscription(PARTITIONS), "profile", "bench")
    lease = await leases.claim(database, f"partition:{PARTITION}", "bench", seconds=3600)
    assert lease is not None
    line: Line = (ORIGIN, TOPIC)
    known = {line: Position(ORIGIN, TOPIC, PARTITION)}
    seconds, total_bytes = [], 0
    for records in _batches(receipts):
        started = time.perf_counter()
        known = await applier.apply(lease, known, records, {line: records[-1].seq})
        seconds.append(time.perf_counter() - started)
        total_bytes += sum(len(record.body) for record in records)
    return seconds, total_bytes


async def _copy(database: Database, receipts: int) -> float:
    """Return the seconds that COPY takes for the same bodies, in the same batches, each its own commit."""
    await database.execute("CREATE TABLE bare_copy (event_id uuid PRIMARY KEY, body bytea NOT NULL)")
    seconds = 0.0
    for records in _batches(receipts):
        rows = [(record.event_id, record.body) for record in records]
        started = time.perf_counter()
        async with database.transaction() as tx:
            await tx.copy("bare_copy", ("event_id", "body"), rows)
        seconds += time.perf_counter() - started
    await database.execute("DROP TABLE bare_copy")
    return seconds


def _batches(receipts: int) -> Iterator[Sequence[Incoming]]:
    """Yield the same receipts each time, as a partition's log holds them."""
    random = Random(SEED)  # noqa: S311 - made-up shoppers, no secret
    shoppers = _shoppers(random)
    prev: UUID | None = None
    batch: list[Incoming] = []
    for seq in range(1, receipts + 1):
        record = _record(random, shoppers, seq, prev)
        prev = record.event_id
        batch.append(record)
        if len(batch) == BATCH_RECORDS:
            yield batch
            batch = []
    if batch:
        yield batch


def _shoppers(random: Random) -> list[UUID]:
    """Return subjects that all fall into the one partition."""
    found: list[UUID] = []
    while len(found) < SHOPPERS:
        subject_id = UUID(int=random.getrandbits(128), version=5)
        if partition_of(str(subject_id), PARTITIONS) == PARTITION:
            found.append(subject_id)
    return found


def _record(random: Random, shoppers: Sequence[UUID], seq: int, prev: UUID | None) -> Incoming:
    at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=20 * seq)
    event_id = event_id_for(str(seq), int(at.timestamp() * 1000), b"bench")
    is_guest = random.random() < GUEST_SHARE
    subject_id = guest_subject_id(event_id) if is_guest else random.choice(shoppers)
    store_id = f"S{random.randrange(STORES):03d}"
    amounts = [random.randrange(50, 2_000) for _ in range(LINES)]
    lines = [_line(random, number, amount) for number, amount in enumerate(amounts, 1)]
    body = {
        "event_id": event_id,
        "type": "ReceiptRecorded",
        "version": 1,
        "occurred_at": at,
        "received_at": at,
        "subject_id": subject_id,
        "subject_kind": "guest" if is_guest else "identified",
        "source": {"id": "bench", "kind": "pos"},
        "store_id": store_id,
        "data": {
            "receipt_id": event_id,
            "store_id": store_id,
            "terminal_id": f"T{zlib.crc32(store_id.encode()) % 8}",
            "business_date": at.date(),
            "sequence_number": seq,
            "currency": "USD",
            "kind": "sale",
            "lines": lines,
            "tenders": [{"kind": "card", "amount_minor": sum(amounts)}],
            "utc_offset_minutes": -300,
        },
    }
    return Incoming(ORIGIN, TOPIC, PARTITION, seq, event_id, prev, "ReceiptRecorded.v1", orjson.dumps(body), seq - 1)


def _line(random: Random, number: int, amount_minor: int) -> dict[str, int | str]:
    return {
        "line_number": number,
        "product_id": f"P{random.randrange(PRODUCTS):05d}",
        "quantity": "1",
        "unit_price_minor": amount_minor,
        "amount_minor": amount_minor,
    }


def run(receipts: int = 50_000) -> ProfileBench:
    """Measure on a PostgreSQL of the benchmark's own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="regulars bench ") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = EmbeddedPostgres(folder, free_port())
        try:
            server.start()
            return asyncio.run(measure(server.create_database("profile"), receipts))
        finally:
            server.destroy()


if __name__ == "__main__":
    print(run().in_words())
