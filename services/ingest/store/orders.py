"""Web shops' orders that may be edited: which receipt counts for each."""

from collections.abc import Collection, Mapping

from services.ingest.domain.orders import Standing
from shared.customers.assignments import Reads
from shared.db import Transaction


async def lock_orders(tx: Transaction, key_digests: Collection[bytes]) -> None:
    """Let nobody else decide about these orders until the transaction ends."""
    numbers = sorted(int.from_bytes(digest[:8], "big", signed=True) for digest in key_digests)
    await tx.execute("SELECT pg_advisory_xact_lock(number) FROM unnest($1::bigint[]) AS number", numbers)


async def standings_of(reads: Reads, key_digests: Collection[bytes]) -> dict[bytes, Standing]:
    """Return what is known of the orders with these keys."""
    rows = await reads.fetch(
        "SELECT key_digest, source_id, event_id, content_digest, edited_at, version, is_cancelled FROM web_orders"
        " WHERE key_digest = ANY($1::bytea[])",
        list(key_digests),
    )
    return {
        row["key_digest"]: Standing(
            row["source_id"],
            row["event_id"],
            row["content_digest"],
            row["edited_at"],
            row["version"],
            row["is_cancelled"],
        )
        for row in rows
    }


async def put_standings(tx: Transaction, standings: Mapping[bytes, Standing]) -> None:
    """Keep what these orders come to now; they are locked."""
    ordered = sorted(standings)
    found = [standings[digest] for digest in ordered]
    await tx.execute(
        "INSERT INTO web_orders (key_digest, source_id, event_id, content_digest, edited_at, version, is_cancelled)"
        " SELECT * FROM unnest($1::bytea[], $2::text[], $3::uuid[], $4::bytea[], $5::timestamptz[], $6::text[],"
        " $7::bool[]) ON CONFLICT (key_digest) DO UPDATE SET event_id = excluded.event_id,"
        " content_digest = excluded.content_digest, edited_at = excluded.edited_at, version = excluded.version,"
        " is_cancelled = excluded.is_cancelled",
        ordered,
        [one.source_id for one in found],
        [one.event_id for one in found],
        [one.content for one in found],
        [one.edited_at for one in found],
        [one.version for one in found],
        [one.is_cancelled for one in found],
    )
