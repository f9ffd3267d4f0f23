"""Positions in the database: read under a lease, compared and moved inside the applying transaction."""

from collections.abc import Iterable, Sequence

from shared.db import Database, Row, Transaction
from shared.leases import DeposedError
from shared.worker.domain import Position

_COLUMNS = (
    "origin, topic, partition, last_seq, last_event_id, next_offset, dead_in_a_row, braked_version, forked_reason"
)


async def load(database: Database, partition: int) -> list[Position]:
    """Return every line's position in one partition."""
    rows = await database.fetch(f"SELECT {_COLUMNS} FROM positions WHERE partition = $1", partition)
    return [_position(row) for row in rows]


async def load_all(reads: Database | Transaction) -> list[Position]:
    """Return every line's position in all partitions, in a fixed order."""
    rows = await reads.fetch(f"SELECT {_COLUMNS} FROM positions ORDER BY origin, topic, partition")
    return [_position(row) for row in rows]


async def lock_unmoved(tx: Transaction, positions: Sequence[Position]) -> None:
    """Lock these positions as they are known here: the compare of compare-and-set.

    Raises DeposedError when one of them was moved by somebody else.
    """
    await tx.execute(
        "INSERT INTO positions (origin, topic, partition)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::smallint[]) ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING",
        *_keys(positions),
    )
    rows = await tx.fetch(
        "SELECT p.origin FROM positions p"
        " JOIN unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::uuid[])"
        " AS known (origin, topic, partition, last_seq, last_event_id)"
        " ON (p.origin, p.topic, p.partition) = (known.origin, known.topic, known.partition)"
        " AND p.last_seq = known.last_seq AND p.last_event_id IS NOT DISTINCT FROM known.last_event_id"
        " ORDER BY p.origin, p.topic FOR UPDATE OF p",
        *_keys(positions),
        [position.last_seq for position in positions],
        [position.last_event_id for position in positions],
    )
    if len(rows) != len(positions):
        raise DeposedError("a position was moved by another worker")


async def store(tx: Transaction, positions: Sequence[Position]) -> None:
    """Write positions that `lock_unmoved` locked: the set of compare-and-set."""
    await tx.execute(
        "UPDATE positions p SET last_seq = n.last_seq, last_event_id = n.last_event_id,"
        " next_offset = n.next_offset, dead_in_a_row = n.dead_in_a_row, braked_version = n.braked_version,"
        " forked_reason = n.forked_reason"
        " FROM unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::uuid[], $6::bigint[], $7::int[],"
        " $8::text[], $9::text[])"
        f" AS n ({_COLUMNS}) WHERE (p.origin, p.topic, p.partition) = (n.origin, n.topic, n.partition)",
        *_keys(positions),
        [position.last_seq for position in positions],
        [position.last_event_id for position in positions],
        [position.next_offset for position in positions],
        [position.dead_in_a_row for position in positions],
        [position.braked_version for position in positions],
        [position.forked_reason for position in positions],
    )


def _keys(positions: Iterable[Position]) -> tuple[list[str], list[str], list[int]]:
    known = list(positions)
    return (
        [position.origin for position in known],
        [position.topic for position in known],
        [position.partition for position in known],
    )


def _position(row: Row) -> Position:
    return Position(**dict(row))
