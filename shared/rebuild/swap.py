"""Putting the new tables in the place of the live ones, in one short transaction.

A derived table moves from schema to schema; everything else of the service stays where it is. Names are looked up
anew by every statement that meets the change, prepared ones included, so that pools need not reconnect.
"""

from collections.abc import Sequence

from shared.db import Transaction
from shared.rebuild.beside import Schemas
from shared.rebuild.domain import TableShape
from shared.rebuild.errors import RebuildFailed

VACUUM_WAIT = "5s"
LOCK_WAIT = "400ms"
"""Readers wait behind us for as long as this: far less than they may wait for a lock."""
SWAP_WAIT = "10s"


async def hold_still(tx: Transaction, schemas: Schemas) -> None:
    """Let no worker apply anything until the transaction ends; readers notice nothing."""
    await tx.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
    live_schema = f'"{schemas.live}"'
    await tx.execute(f"LOCK TABLE {live_schema}.positions IN EXCLUSIVE MODE")


async def keep_vacuum_away(tx: Transaction, schemas: Schemas, shapes: Sequence[TableShape]) -> None:
    """Interrupt a vacuum of the live tables, which holds a lock for as long as it takes; nobody else is disturbed.

    It gives way only to who has waited for a second, longer than readers should be kept waiting below.
    """
    await tx.execute(f"SET LOCAL lock_timeout = '{VACUUM_WAIT}'")
    await tx.execute(f"LOCK TABLE {_tables(schemas.live, shapes)} IN SHARE UPDATE EXCLUSIVE MODE")


async def swap(tx: Transaction, schemas: Schemas, shapes: Sequence[TableShape]) -> None:
    """Swap the tables, whose positions were made equal under `hold_still`.

    Raises RebuildFailed when the live ones were migrated since the new ones were made.
    """
    await _check_revisions(tx, schemas)
    await tx.execute(f'CREATE SCHEMA "{schemas.old}"')
    await _keep_places(tx, schemas)
    # Of the statement, not of each lock: a reader may be behind the first while we wait for the last.
    await tx.execute(f"SET LOCAL statement_timeout = '{LOCK_WAIT}'")
    await tx.execute(f"LOCK TABLE {_tables(schemas.live, shapes)} IN ACCESS EXCLUSIVE MODE")
    await tx.execute(f"SET LOCAL statement_timeout = '{SWAP_WAIT}'")
    for shape in shapes:
        await tx.execute(f'ALTER TABLE "{schemas.live}"."{shape.name}" SET SCHEMA "{schemas.old}"')
        await tx.execute(f'ALTER TABLE "{schemas.next}"."{shape.name}" SET SCHEMA "{schemas.live}"')


async def _check_revisions(tx: Transaction, schemas: Schemas) -> None:
    live_schema, next_schema = f'"{schemas.live}"', f'"{schemas.next}"'
    revisions = await tx.fetch(
        f"SELECT version_num FROM {live_schema}.alembic_version"
        f" UNION SELECT version_num FROM {next_schema}.alembic_version"
    )
    if len(revisions) > 1:
        raise RebuildFailed("the database was migrated meanwhile; run it again, with the code of that revision")


async def _keep_places(tx: Transaction, schemas: Schemas) -> None:
    """Hand the places in Kafka on: without them a worker would read every topic from its beginning."""
    live_schema, next_schema = f'"{schemas.live}"', f'"{schemas.next}"'
    await tx.execute(
        f"UPDATE {next_schema}.positions n SET next_offset = p.next_offset FROM {live_schema}.positions p"
        " WHERE (p.origin, p.topic, p.partition) = (n.origin, n.topic, n.partition)"
    )


def _tables(schema: str, shapes: Sequence[TableShape]) -> str:
    return ", ".join(f'"{schema}"."{shape.name}"' for shape in shapes)
