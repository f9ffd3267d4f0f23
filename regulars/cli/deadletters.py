"""`regulars deadletters list|show|replay|resume SERVICE`: events that could not be applied, and what to do."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from regulars.child import PROJECT_ROOT
from regulars.cli.options import DATA_DIR_DEFAULT, DataDir
from regulars.cli.verify import credentials_of
from regulars.errors import RegularsError
from regulars.folder import DataFolder
from regulars.training import environment_of
from shared.db import Database, PoolLimits
from shared.worker import deadletters as letters

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True)


class Consumer(StrEnum):
    """The services that consume."""

    PROFILE = "profile"
    RECOMMEND = "recommend"
    CHURN = "churn"
    CAMPAIGN = "campaign"


@app.command("list")
def list_letters(service: Consumer, data_dir: DataDir = DATA_DIR_DEFAULT) -> None:
    """Show the oldest dead letters that were not applied since."""
    table = Table("event", "type", "topic", "number", "reason", "since")
    for each in _asking(data_dir, service, letters.waiting):
        place = f"{each.topic}/{each.partition}"
        reason = each.reason.splitlines()[0][:100]
        table.add_row(str(each.event_id), each.type, place, str(each.seq), reason, f"{each.dead_at:%Y-%m-%d %H:%M}")
    Console().print(table if table.row_count else f"{service}: no dead letters")


@app.command("show")
def show_letter(service: Consumer, event_id: UUID, data_dir: DataDir = DATA_DIR_DEFAULT) -> None:
    """Print one dead letter whole: why, and the event as it came."""
    found = _asking(data_dir, service, lambda database: letters.body_of(database, event_id))
    if found is None:
        raise RegularsError(f"{service} keeps no dead letter {event_id}")
    reason, body = found
    print(reason, "\n", body.decode("utf-8", "replace"), sep="")


@app.command("replay")
def replay(
    service: Consumer,
    event_ids: Annotated[list[UUID] | None, typer.Argument(help="Only these events; all without.")] = None,
    data_dir: DataDir = DATA_DIR_DEFAULT,
) -> None:
    """Apply dead letters again, after their cause was repaired; doing it twice applies once."""
    command = [sys.executable, "-m", f"services.{service}", "replay", *(str(each) for each in event_ids or [])]
    environment = environment_of(DataFolder.of(data_dir), service)
    done = subprocess.run(command, env=environment, cwd=PROJECT_ROOT, check=False)  # noqa: S603 (our own command)
    if done.returncode:
        raise typer.Exit(1)


@app.command("resume")
def resume(service: Consumer, data_dir: DataDir = DATA_DIR_DEFAULT) -> None:
    """Release the brakes that too many dead letters in a row have put on."""
    released = _asking(data_dir, service, letters.resume)
    print(f"{service}: {released} lines go on")


def _asking(data_dir: DataDir, service: Consumer, question: Callable[[Database], Awaitable[T]]) -> T:
    dsn = credentials_of(DataFolder.of(data_dir)).database[service]

    async def asked() -> T:
        database = await Database.connect(dsn, application="deadletters", limits=PoolLimits(size_max=1))
        try:
            return await question(database)
        finally:
            await database.close()

    return asyncio.run(asked())
