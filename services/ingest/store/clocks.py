"""The clocks of terminals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ingest.domain.clocks import Clock, Terminal
from shared.customers.assignments import Reads
from shared.db import Transaction


async def clocks_of(tx: Transaction, terminals: Collection[Terminal]) -> dict[Terminal, Clock]:
    """Return the known clocks among `terminals`, locked until the transaction ends."""
    rows = await tx.fetch(
        "SELECT store_id, terminal_id, exchanges, skew_minutes, is_settled FROM terminal_clocks"
        " JOIN unnest($1::text[], $2::text[]) AS asked (store_id, terminal_id) USING (store_id, terminal_id)"
        " ORDER BY store_id, terminal_id FOR UPDATE OF terminal_clocks",
        [terminal[0] for terminal in terminals],
        [terminal[1] for terminal in terminals],
    )
    return {
        (row["store_id"], row["terminal_id"]): Clock(tuple(row["exchanges"]), row["skew_minutes"], row["is_settled"])
        for row in rows
    }


async def keep_clocks(tx: Transaction, clocks: Mapping[Terminal, Clock], observed_at: datetime) -> None:
    ordered = sorted(clocks.items(), key=lambda one: one[0])
    await tx.executemany(
        "INSERT INTO terminal_clocks (store_id, terminal_id, exchanges, skew_minutes, is_settled, is_implausible,"
        " observed_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (store_id, terminal_id) DO UPDATE"
        " SET exchanges = excluded.exchanges, skew_minutes = excluded.skew_minutes,"
        " is_settled = excluded.is_settled, is_implausible = excluded.is_implausible,"
        " observed_at = excluded.observed_at",
        [
            (
                *terminal,
                list(clock.exchanges),
                clock.skew_minutes,
                clock.is_settled,
                clock.is_implausible,
                observed_at,
            )
            for terminal, clock in ordered
        ],
    )


async def skewed_clocks(reads: Reads) -> dict[Terminal, Clock]:
    """Return the clocks that are known to be wrong; few are."""
    rows = await reads.fetch(
        "SELECT store_id, terminal_id, skew_minutes, is_settled FROM terminal_clocks WHERE skew_minutes <> 0"
    )
    return {(row["store_id"], row["terminal_id"]): Clock((), row["skew_minutes"], row["is_settled"]) for row in rows}


@dataclass(frozen=True, slots=True)
class ClockRow:
    """A terminal's clock as it is listed."""

    store_id: str
    terminal_id: str
    skew_minutes: int
    exchanges: int
    is_settled: bool
    is_implausible: bool
    observed_at: datetime


async def clocks_page(
    reads: Reads,
    store_ids: Collection[str] | None,
    after: Terminal | None,
    limit: int,
    *,
    implausible: bool,
) -> Sequence[ClockRow]:
    """Return clocks by store and terminal. `store_ids`: those that the caller may see; None: all."""
    rows = await reads.fetch(
        "SELECT store_id, terminal_id, skew_minutes, cardinality(exchanges) AS exchanges, is_settled,"
        " is_implausible, observed_at FROM terminal_clocks WHERE ($1::text[] IS NULL OR store_id = ANY($1))"
        " AND (is_implausible OR NOT $2) AND (store_id, terminal_id) > ($3, $4)"
        " ORDER BY store_id, terminal_id LIMIT $5",
        None if store_ids is None else sorted(store_ids),
        implausible,
        *(after or ("", "")),
        limit,
    )
    return [ClockRow(**dict(row)) for row in rows]
