"""The schema that a rebuild fills beside the live one: made by the service's own migrations, and dropped.

It has all tables of the service, so that handlers run in it as they are and can reach nothing live: what they write
into tables that the service *owns* goes with the schema. What they say is discarded as it is inserted.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from shared.db import Database
from shared.errors import TransientError
from shared.rebuild.domain import TableShape
from shared.rebuild.errors import RebuildFailed

log = structlog.get_logger()

DROP_TRIES = 20
DROP_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Schemas:
    """Where the tables are: those that serve, those that are being made, and those that served until the swap."""

    live: str
    next: str
    old: str

    @classmethod
    def of(cls, service: str, live: str) -> "Schemas":
        return cls(live, f"{service}_next", f"{service}_old")


def derived(shapes: Sequence[TableShape]) -> list[TableShape]:
    return [shape for shape in shapes if shape.table_class == "derived"]


async def make(dsn: str, migrations: Path, live: Database, schemas: Schemas, discarded: Sequence[str]) -> None:
    """Make the schema, at head and empty; inserts into the `discarded` tables do nothing."""
    await live.execute(f'CREATE SCHEMA "{schemas.next}"')
    # Alembic and SQLAlchemy take 32 MB, which no serving process needs.
    from shared.migrations import upgrade  # noqa: PLC0415

    await asyncio.to_thread(upgrade, dsn, migrations, schemas.next)
    await live.execute(
        f'CREATE FUNCTION "{schemas.next}".discard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$'
    )
    for table in discarded:
        await live.execute(
            f'CREATE TRIGGER discard BEFORE INSERT ON "{schemas.next}"."{table}"'
            f' FOR EACH ROW EXECUTE FUNCTION "{schemas.next}".discard()'
        )


async def drop(live: Database, schemas: Schemas, tries: int = DROP_TRIES) -> None:
    """Drop what a rebuild left behind, this one or one that was killed; raise RebuildFailed when it is in use."""
    for schema in (schemas.next, schemas.old):
        await _drop(live, schema, tries)


async def _drop(live: Database, schema: str, tries: int) -> None:
    for attempt in range(1, tries + 1):
        try:
            await live.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
        except TransientError as held:
            log.info("rebuild.schema_held", schema=schema, attempt=attempt, reason=str(held))
            await asyncio.sleep(DROP_PAUSE_SECONDS)
        else:
            return
    raise RebuildFailed(f'the schema "{schema}" is in use by another session; end that session and run it again')


async def bytes_needed(live: Database, schemas: Schemas, shapes: Sequence[TableShape]) -> int:
    """Return how much disk a rebuild takes while it runs: as much as the tables that it makes anew take now.

    Tables that handlers write to beside them count as well; the log, whose rows are discarded, does not.
    """
    needed: int = await live.fetchval(
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
        " WHERE c.relnamespace = $1::text::regnamespace AND c.relname = ANY($2::text[])",
        schemas.live,
        [shape.name for shape in shapes if shape.name not in {"events", "numbered", "unnumbered"}],
    )
    return needed
