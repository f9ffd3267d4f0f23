"""What is counted of sources: what became of what they sent, how they keep to their plans, and rules of quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.ingest.domain.figures import COUNTED, Figures, Tallied, ViolationKey, ViolationTally
from shared.customers.assignments import Reads
from shared.db import Transaction

_FIGURE_COLUMNS = ", ".join(COUNTED)
_FIGURE_SUMS_SQL = ", ".join(f"{name} = source_figures.{name} + excluded.{name}" for name in COUNTED)
_BIGINT_PLACEHOLDERS = ", ".join(f"${place}::bigint[]" for place in range(4, 4 + len(COUNTED)))
VIOLATIONS_MAX = 1000
"""Kept of one source: a public one can make names up without end."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One source's figures of one day."""

    source_id: str
    day: date
    figures: Figures
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class ViolationRow:
    """One kind of violation of a source's plan, as it is listed."""

    event: str
    rule: str
    path: str
    message: str
    times: int
    first_at: datetime
    last_at: datetime
    sample: dict[str, str]


@dataclass(frozen=True, slots=True)
class QualityRow:
    rule: str
    source_id: str
    times: int
    last_at: datetime


async def add_figures(tx: Transaction, counted: Mapping[tuple[str, date], tuple[Figures, datetime]]) -> None:
    """Add to the figures of each source and day, in one statement."""
    rows = sorted(counted.items())
    if not rows:
        return
    await tx.execute(
        f"INSERT INTO source_figures (source_id, day, last_seen_at, {_FIGURE_COLUMNS})"
        f" SELECT * FROM unnest($1::text[], $2::date[], $3::timestamptz[], {_BIGINT_PLACEHOLDERS})"
        f" ON CONFLICT (source_id, day) DO UPDATE SET {_FIGURE_SUMS_SQL},"
        " last_seen_at = greatest(source_figures.last_seen_at, excluded.last_seen_at)",
        [source_id for (source_id, _), _ in rows],
        [day for (_, day), _ in rows],
        [last_seen_at for _, (_, last_seen_at) in rows],
        *([getattr(figures, name) for _, (figures, _) in rows] for name in COUNTED),
    )


async def figures_of(reads: Reads, source_id: str, since: date) -> list[DayFigures]:
    """Return a source's figures by day, newest first."""
    rows = await reads.fetch(
        f"SELECT source_id, day, last_seen_at, {_FIGURE_COLUMNS} FROM source_figures"
        " WHERE source_id = $1 AND day >= $2 ORDER BY day DESC",
        source_id,
        since,
    )
    return [
        DayFigures(
            row["source_id"], row["day"], Figures(**{name: row[name] for name in COUNTED}), row["last_seen_at"]
        )
        for row in rows
    ]


async def add_quality(tx: Transaction, counted: Mapping[tuple[str, str], Tallied]) -> None:
    rows = sorted(counted.items())
    if not rows:
        return
    await tx.execute(
        "INSERT INTO quality_figures (rule, source_id, times, last_at)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[])"
        " ON CONFLICT (rule, source_id) DO UPDATE SET times = quality_figures.times + excluded.times,"
        " last_at = greatest(quality_figures.last_at, excluded.last_at)",
        [rule for (rule, _), _ in rows],
        [source_id for (_, source_id), _ in rows],
        [tallied.times for _, tallied in rows],
        [tallied.last_at for _, tallied in rows],
    )


async def quality(reads: Reads, source_id: str | None, sources_max: int) -> list[QualityRow]:
    """Return how often each rule was needed in all (`source_id` empty), and by whom it was needed most."""
    rows = await reads.fetch(
        "WITH needed AS (SELECT rule, source_id, times, last_at, row_number() OVER (PARTITION BY rule"
        " ORDER BY times DESC, source_id) AS place FROM quality_figures WHERE $1::text IS NULL OR source_id = $1)"
        " SELECT rule, '' AS source_id, sum(times)::bigint AS times, max(last_at) AS last_at FROM needed GROUP BY 1"
        " UNION ALL SELECT rule, source_id, times, last_at FROM needed WHERE place <= $2"
        " ORDER BY rule, times DESC, source_id",
        source_id,
        sources_max,
    )
    return [QualityRow(**dict(row)) for row in rows]


async def add_violations(tx: Transaction, counted: Mapping[ViolationKey, ViolationTally]) -> None:
    """Add to the violations; new kinds of a source that has too many already are counted as one, `(others)`."""
    if not counted:
        return
    held = await _kinds_held(tx, {key[0] for key in counted})
    folded: dict[ViolationKey, ViolationTally] = {}
    for key, tally in sorted(counted.items()):
        known = held.setdefault(key[0], set())
        if key[1:] not in known and len(known) >= VIOLATIONS_MAX:
            key, tally = (key[0], "(others)", "(others)", ""), tally.anonymous()  # noqa: PLW2901 (folded into one)
        known.add(key[1:])
        folded[key] = tally if key not in folded else folded[key].plus(tally)
    await _write_violations(tx, sorted(folded.items()))


async def _kinds_held(tx: Transaction, source_ids: set[str]) -> dict[str, set[tuple[str, str, str]]]:
    rows = await tx.fetch(
        "SELECT source_id, event, rule, path FROM plan_violations WHERE source_id = ANY($1::text[])",
        list(source_ids),
    )
    held: dict[str, set[tuple[str, str, str]]] = {}
    for row in rows:
        held.setdefault(row["source_id"], set()).add((row["event"], row["rule"], row["path"]))
    return held


async def _write_violations(tx: Transaction, rows: Sequence[tuple[ViolationKey, ViolationTally]]) -> None:
    await tx.execute(
        "INSERT INTO plan_violations (source_id, event, rule, path, message, times, first_at, last_at, sample)"
        " SELECT source_id, event, rule, path, message, times, first_at, last_at, sample::jsonb"
        " FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[],"
        " $8::timestamptz[], $9::text[])"
        " AS seen (source_id, event, rule, path, message, times, first_at, last_at, sample)"
        " ON CONFLICT (source_id, event, rule, path) DO UPDATE SET times = plan_violations.times + excluded.times,"
        " first_at = least(plan_violations.first_at, excluded.first_at),"
        " last_at = greatest(plan_violations.last_at, excluded.last_at), message = excluded.message,"
        " sample = excluded.sample",
        *([key[place] for key, _ in rows] for place in range(4)),
        *(
            [getattr(tally, name) for _, tally in rows]
            for name in ("message", "times", "first_at", "last_at", "sample")
        ),
    )


async def violations_page(
    reads: Reads, source_id: str, after: tuple[datetime, str, str, str] | None, limit: int
) -> list[ViolationRow]:
    """Return the kinds of violation of a source's plan, the latest first, after a place."""
    place: tuple[Any, ...] = after or (None, None, None, None)
    rows = await reads.fetch(
        "SELECT event, rule, path, message, times, first_at, last_at, sample FROM plan_violations"
        " WHERE source_id = $1 AND ($2::timestamptz IS NULL OR (last_at, event, rule, path) < ($2, $3, $4, $5))"
        " ORDER BY last_at DESC, event DESC, rule DESC, path DESC LIMIT $6",
        source_id,
        *place,
        limit,
    )
    return [ViolationRow(**dict(row)) for row in rows]


async def forget_violations(tx: Transaction, source_id: str) -> None:
    await tx.execute("DELETE FROM plan_violations WHERE source_id = $1", source_id)


async def oldest_unsent_at(
    reads: Reads, source_id: str, topics: Sequence[str], partitions: int, looked_at_max: int
) -> datetime | None:
    """Return when the oldest event of a source that was not yet published was stored; None when there is none.

    Looks at the `looked_at_max` oldest that wait in each place: of a longer queue the source's own may be behind.
    """
    rows = await reads.fetch(
        "WITH waiting AS ("
        " (SELECT event_id FROM unnumbered ORDER BY arrival LIMIT $4)"
        " UNION ALL"
        " SELECT n.event_id FROM unnest($2::text[]) AS t (topic)"
        " CROSS JOIN generate_series(0, $3::int - 1) AS p (partition)"
        " LEFT JOIN watermarks w ON w.topic = t.topic AND w.partition = p.partition"
        " CROSS JOIN LATERAL (SELECT event_id FROM numbered WHERE topic = t.topic"
        " AND partition = p.partition::smallint AND seq > coalesce(w.published_seq, 0) ORDER BY seq LIMIT $4) AS n)"
        " SELECT min(e.stored_at) AS stored_at FROM waiting JOIN events e USING (event_id)"
        " WHERE CASE WHEN e.body <> '' THEN convert_from(e.body, 'UTF8')::jsonb #>> '{source,id}' END = $1",
        source_id,
        list(topics),
        partitions,
        looked_at_max,
    )
    found: datetime | None = rows[0]["stored_at"]
    return found
