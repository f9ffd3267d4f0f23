"""Terminals by day: which of their numbers came."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from services.ingest.domain.epochs import Epoch
from services.ingest.store.dedup import TerminalDay, epochs_of
from shared.customers.assignments import Reads


@dataclass(frozen=True, slots=True)
class TerminalRow:
    """One terminal's business day as it is listed."""

    store_id: str
    terminal_id: str
    epochs: int
    received: int
    missing: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which terminals to list. `store_ids`: those that the caller may see; None: all."""

    business_date: date
    store_ids: Collection[str] | None
    with_gaps: bool


async def terminals_page(
    reads: Reads, wanted: Wanted, after: tuple[str, str] | None, limit: int
) -> Sequence[TerminalRow]:
    """Return a day's terminals by store and terminal. One index range of that day is read, whatever is kept."""
    rows = await reads.fetch(
        "SELECT store_id, terminal_id, count(*)::int AS epochs, sum(size)::bigint AS received,"
        " sum(span - size)::bigint AS missing, max(last_at) AS last_at FROM ("
        " SELECT store_id, terminal_id, last_at, coalesce(upper(received) - lower(received), 0) AS span,"
        " (SELECT coalesce(sum(upper(run) - lower(run)), 0) FROM unnest(received) AS run) AS size"
        " FROM terminal_epochs WHERE business_date = $1 AND ($2::text[] IS NULL OR store_id = ANY($2))"
        " AND (store_id, terminal_id) > ($3, $4)) AS days"
        " GROUP BY store_id, terminal_id HAVING NOT $5 OR sum(span - size) > 0"
        " ORDER BY store_id, terminal_id LIMIT $6",
        wanted.business_date,
        None if wanted.store_ids is None else sorted(wanted.store_ids),
        *(after or ("", "")),
        wanted.with_gaps,
        limit,
    )
    return [TerminalRow(**dict(row)) for row in rows]


async def day_of(reads: Reads, day: TerminalDay) -> tuple[Epoch, ...]:
    return (await epochs_of(reads, [day])).get(day, ())


async def last_before(reads: Reads, day: TerminalDay) -> tuple[date, int] | None:
    """Return the terminal's day before this one, as far as any is known, and the last number of its last run."""
    rows = await reads.fetch(
        "SELECT business_date, last_sequence FROM terminal_epochs WHERE store_id = $1 AND terminal_id = $2"
        " AND business_date < $3 ORDER BY business_date DESC, epoch DESC LIMIT 1",
        *day,
    )
    return (rows[0]["business_date"], rows[0]["last_sequence"]) if rows else None
