"""How often, and at how many tills, an identifier was seen: counted from the numbered log, each receipt once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Row, Transaction

TOPIC = "retail.receipts.v1"


@dataclass(frozen=True, slots=True)
class Sighting:
    """Receipts of one subject in one hour."""

    subject_id: UUID
    hour: datetime
    receipts: int
    tills: frozenset[str]


@dataclass(frozen=True, slots=True)
class Busy:
    """A subject's busiest day and hour of late."""

    subject_id: UUID
    receipts_in_day: int
    tills_in_hour: int


async def next_receipts(tx: Transaction, partition: int, limit: int) -> Sequence[Row]:
    """Return the next numbered receipts of a partition that were not looked at; nobody else does until the end."""
    await tx.execute(
        "INSERT INTO watch_positions (partition, last_seq) VALUES ($1, 0) ON CONFLICT DO NOTHING", partition
    )
    last_seq = await tx.fetchval("SELECT last_seq FROM watch_positions WHERE partition = $1 FOR UPDATE", partition)
    return await tx.fetch(
        "SELECT n.seq, e.body FROM numbered n JOIN events e USING (event_id)"
        " WHERE n.topic = $1 AND n.partition = $2 AND n.seq > $3 ORDER BY n.seq LIMIT $4",
        TOPIC,
        partition,
        last_seq,
        limit,
    )


async def move_on(tx: Transaction, partition: int, last_seq: int) -> None:
    await tx.execute("UPDATE watch_positions SET last_seq = $2 WHERE partition = $1", partition, last_seq)


async def count(tx: Transaction, sightings: Iterable[Sighting]) -> None:
    """Add to what was counted before."""
    ordered = sorted(sightings, key=lambda one: (one.subject_id.int, one.hour))
    await tx.execute(
        "INSERT INTO sightings (subject_id, hour, receipts, tills)"
        " SELECT subject_id, hour, receipts, string_to_array(tills, chr(10))"
        " FROM unnest($1::uuid[], $2::timestamptz[], $3::int[], $4::text[])"
        " AS seen (subject_id, hour, receipts, tills)"
        " ON CONFLICT (subject_id, hour) DO UPDATE SET receipts = sightings.receipts + excluded.receipts,"
        " tills = ARRAY(SELECT DISTINCT till FROM unnest(sightings.tills || excluded.tills) AS till ORDER BY till)",
        [one.subject_id for one in ordered],
        [one.hour for one in ordered],
        [one.receipts for one in ordered],
        ["\n".join(sorted(one.tills)) for one in ordered],
    )


async def busiest(tx: Transaction, subject_ids: Iterable[UUID]) -> list[Busy]:
    """Return the busiest day and hour of these subjects, those aside that were in quarantine before."""
    rows = await tx.fetch(
        "SELECT subject_id, max(in_day)::int AS in_day, max(tills)::int AS tills FROM"
        " (SELECT subject_id, cardinality(tills) AS tills,"
        " sum(receipts) OVER (PARTITION BY subject_id, date_trunc('day', hour)) AS in_day"
        " FROM sightings WHERE subject_id = ANY($1::uuid[])) AS hours"
        " WHERE NOT EXISTS (SELECT FROM quarantine q WHERE q.subject_id = hours.subject_id)"
        " AND NOT EXISTS (SELECT FROM decisions d WHERE d.outcome IS NULL"
        " AND d.subject_ids = ARRAY[hours.subject_id])"
        " GROUP BY 1 ORDER BY 1",
        list(subject_ids),
    )
    return [Busy(row["subject_id"], row["in_day"], row["tills"]) for row in rows]


async def forget_before(tx: Transaction, hour: datetime) -> None:
    await tx.execute("DELETE FROM sightings WHERE hour < $1", hour)
