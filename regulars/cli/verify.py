"""`regulars verify`: recount every invariant; exit 1 and show the differences where one does not hold."""

import asyncio

import typer
from rich.console import Console
from rich.table import Table

from regulars.cli.options import DATA_DIR_DEFAULT, AsJson, DataDir, print_json
from regulars.credentials import Credentials
from regulars.errors import RegularsError
from regulars.folder import DataFolder
from regulars.verification.checks import verify as recount
from regulars.verification.report import Verification


def verify(data_dir: DataDir = DATA_DIR_DEFAULT, *, as_json: AsJson = False) -> None:
    found = asyncio.run(recount(credentials_of(DataFolder.of(data_dir)).database))
    if as_json:
        print_json(found.document())
    else:
        print_findings(Console(), found)
    if not found.holds:
        raise typer.Exit(1)


def credentials_of(folder: DataFolder) -> Credentials:
    """Return the addresses and keys of the deployment; raise RegularsError when there is none."""
    try:
        return Credentials.read(folder.credentials_file)
    except FileNotFoundError as error:
        raise RegularsError(f"nothing was ever started on {folder.root}: run `regulars up` first") from error


def print_findings(console: Console, found: Verification) -> None:
    """Print one line an invariant."""
    table = Table(title="Recount")
    for heading in ("", "service", "invariant", "result"):
        table.add_column(heading, overflow="fold")
    for finding in found.findings:
        mark = "[green]✓[/]" if finding.holds else "[red]✗[/]"
        table.add_row(mark, finding.service, finding.invariant, finding.sentence)
    console.print(table)
