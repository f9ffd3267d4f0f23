"""Whether a database is at the head of its migrations, told without loading the migration library."""

from pathlib import Path

from shared.db import Database
from shared.errors import Unavailable


def head_of(migrations: Path) -> str:
    """Return the highest revision in a service's migrations folder."""
    revisions = sorted(file.name.partition("_")[0] for file in (migrations / "versions").glob("[0-9]*.py"))
    return revisions[-1]


async def check_at_head(database: Database, migrations: Path) -> None:
    """Raise Unavailable when the database is not at head; a readiness check."""
    at = await database.fetchval("SELECT version_num FROM alembic_version")
    head = head_of(migrations)
    if at != head:
        raise Unavailable(f"the database is at revision {at}, this code needs {head}: run migrate")
