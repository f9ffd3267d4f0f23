"""How full the buckets of limited sources are. By the database's clock, the only one that all processes share."""

from services.ingest.domain.buckets import Bucket, RateLimit
from shared.db import Transaction


async def locked_bucket(tx: Transaction, source_id: str, limit: RateLimit) -> tuple[Bucket, float]:
    """Return a source's bucket under its present limit, and the time, seconds; nobody else takes of it meanwhile."""
    row = await tx.fetchrow(
        "INSERT INTO limit_buckets AS b (source_id, events_left, filled_at) VALUES ($1, $2, clock_timestamp())"
        " ON CONFLICT (source_id) DO UPDATE SET source_id = b.source_id"
        " RETURNING events_left, extract(epoch FROM filled_at)::float8 AS at,"
        " extract(epoch FROM clock_timestamp())::float8 AS now",
        source_id,
        float(limit.burst),
    )
    assert row is not None
    return Bucket(limit, row["events_left"], row["at"]), row["now"]


async def put_bucket(tx: Transaction, source_id: str, bucket: Bucket) -> None:
    await tx.execute(
        "UPDATE limit_buckets SET events_left = $2, filled_at = to_timestamp($3) WHERE source_id = $1",
        source_id,
        bucket.left,
        bucket.at,
    )
