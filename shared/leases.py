"""Leases: who may do a thing that only one process may do at a time, and how the deposed one is kept out.

A holder that is frozen does not know that it was deposed, so a lease alone proves nothing. Its *generation*
does: every transaction done under a lease begins with `fence`, which locks the lease row as of that generation.
`fence` takes FOR KEY SHARE, which lets the holder renew meanwhile; a claim takes FOR UPDATE SKIP LOCKED, so that
nobody succeeds while a transaction of the former holder is still open (the server ends such a transaction when
it sits idle; see `shared.db.PoolLimits.idle_in_transaction_seconds`). Times are the database's own.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared.db import Database, Transaction
from shared.errors import TransientError

log = structlog.get_logger()

LEASE_SECONDS = 3.0
RENEW_SECONDS = 1.0


class DeposedError(Exception):
    """The lease has a newer generation: another process does this work now. Stop it here, change nothing."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do `name`, as long as no higher generation exists."""

    name: str
    holder: str
    generation: int


async def claim(database: Database, name: str, holder: str, seconds: float = LEASE_SECONDS) -> Lease | None:
    """Take the lease if nobody holds it; None when somebody does."""
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO leases (name, holder, generation, expires_at)"
            " VALUES ($1, '', 0, '-infinity') ON CONFLICT DO NOTHING",
            name,
        )
        free = await tx.fetchval(
            "SELECT generation FROM leases WHERE name = $1"
            " AND (expires_at < clock_timestamp() OR holder = $2) FOR UPDATE SKIP LOCKED",
            name,
            holder,
        )
        if free is None:
            return None
        await tx.execute(
            "UPDATE leases SET holder = $2, generation = $3, expires_at = clock_timestamp() + $4 WHERE name = $1",
            name,
            holder,
            free + 1,
            timedelta(seconds=seconds),
        )
    return Lease(name, holder, free + 1)


async def renew(database: Database, held: Sequence[Lease], seconds: float = LEASE_SECONDS) -> set[str]:
    """Extend every lease that is still held; return the names of those that are."""
    rows = await database.fetch(
        "UPDATE leases l SET expires_at = clock_timestamp() + $3"
        " FROM unnest($1::text[], $2::bigint[]) AS mine (name, generation)"
        " WHERE l.name = mine.name AND l.generation = mine.generation RETURNING l.name",
        [lease.name for lease in held],
        [lease.generation for lease in held],
        timedelta(seconds=seconds),
    )
    return {row["name"] for row in rows}


async def keep(database: Database, lease: Lease) -> None:
    """Renew a lease until cancelled.

    Raises DeposedError when it has passed to another generation and TransientError when that cannot be known.
    """
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        if not await renew(database, [lease]):
            raise DeposedError(f"{lease.name}: generation {lease.generation} is over")


async def release(database: Database, held: Iterable[Lease]) -> None:
    """Give leases back at once, so that a successor need not wait for them to expire.

    A database that is away is no failure here, where somebody is usually being stopped: they expire anyway.
    """
    try:
        for lease in held:
            await database.execute(
                "UPDATE leases SET expires_at = '-infinity' WHERE name = $1 AND generation = $2",
                lease.name,
                lease.generation,
            )
    except TransientError as away:
        log.warning("lease.expires_by_itself", reason=str(away))


async def fence(tx: Transaction, lease: Lease) -> None:
    """Make the transaction valid only under this lease.

    Raises DeposedError when the lease has passed to another generation.
    """
    mine = await tx.fetchval(
        "SELECT 1 FROM leases WHERE name = $1 AND generation = $2 FOR KEY SHARE", lease.name, lease.generation
    )
    if mine is None:
        raise DeposedError(f"{lease.name}: generation {lease.generation} is over")


async def hold_off(tx: Transaction, name: str) -> None:
    """Let no holder of a lease work under it until this transaction ends; wait for one that does.

    For a moment only: the holder cannot renew meanwhile.
    """
    await tx.fetch("SELECT 1 FROM leases WHERE name = $1 FOR UPDATE", name)
