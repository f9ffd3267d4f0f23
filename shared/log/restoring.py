"""A database that came back from a back-up: its log goes on as another life of its origin.

Its consumers may have applied what the back-up has not. What is numbered now would take the same places: under the
old name that is a fork, under a new one it is another log, read from its beginning.
"""

from shared.db import Database, Transaction
from shared.errors import Conflict

INCARNATION_MAX = 32_767


class StillServed(Conflict):
    """Processes of the service are connected: they go on under the old name, and may do what is being undone."""

    code = "still_served"


async def check_stopped(database: Database, service: str) -> None:
    """Raise StillServed while an API or worker of the service is connected to its database."""
    names = await database.fetch(
        "SELECT DISTINCT application_name AS name FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = ANY($1::text[]) ORDER BY 1",
        [f"{service}-api", f"{service}-worker"],
    )
    if names:
        running = ", ".join(row["name"] for row in names)
        raise StillServed(f"{running} still runs on this database; stop it first, and start it afterwards")


async def open_incarnation(tx: Transaction, service: str, incarnation: int | None = None) -> str:
    """Give the log its next name, or the one asked for, which must be a later one; return it.

    Raises:
        Conflict: the incarnation asked for is not later than the present one.
    """
    before: int = await tx.fetchval(
        "SELECT coalesce((SELECT incarnation FROM log_origin WHERE service = $1 FOR UPDATE), 1)", service
    )
    after = before + 1 if incarnation is None else incarnation
    if not before < after <= INCARNATION_MAX:
        raise Conflict(f"the log is {service}#{before}; a later incarnation is {before + 1} or higher")
    await tx.execute(
        "INSERT INTO log_origin (service, incarnation) VALUES ($1, $2)"
        " ON CONFLICT (service) DO UPDATE SET incarnation = excluded.incarnation",
        service,
        after,
    )
    return f"{service}#{after}"
