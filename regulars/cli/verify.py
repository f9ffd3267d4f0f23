"""`regulars verify`: recount every invariant; exit 1 and show the differences where one does not hold."""

import asyncio
import os

import typer
from rich.console import Console
from rich.table import Table

from regulars.cli.options import DATA_DIR_DEFAULT, AsJson, DataDir, print_json
from regulars.credentials import Credentials
from regulars.deployment import Choices
from regulars.errors import RegularsError
from regulars.folder import DataFolder
from regulars.verification.checks import verify as recount
from regulars.verification.recount import PointRule
from regulars.verification.report import Basis, Verification
from shared.errors import TransientError
from shared.money import currency_exponent

# Settings that `up` does not decide reach the services from the caller's environment, and so this one does here.
MINOR_PER_POINT = "CAMPAIGN_MINOR_PER_POINT"


def verify(data_dir: DataDir = DATA_DIR_DEFAULT, *, as_json: AsJson = False) -> None:
    folder = DataFolder.of(data_dir)
    try:
        found = asyncio.run(recount(credentials_of(folder).database, point_rule_of(folder)))
    except TransientError as error:
        raise RegularsError(f"the databases of {folder.root} do not answer ({error}): is it up?") from error
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
        reason = f"nothing was ever started on {folder.root}: run `regulars up` first, or name a folder by --data-dir"
        raise RegularsError(reason) from error


def point_rule_of(folder: DataFolder) -> PointRule:
    """Return what a point costs on this deployment: one major unit, unless the environment says otherwise."""
    currency = Choices.load(folder).currency
    return PointRule(currency, int(os.environ.get(MINOR_PER_POINT) or 10 ** currency_exponent(currency)))


def print_findings(console: Console, found: Verification) -> None:
    """Print one line an invariant, under what it rests on."""
    for basis in Basis:
        table = Table(title=f"{basis[0].upper()}{basis[1:]}", title_justify="left")
        for heading in ("", "service", "invariant", "result"):
            table.add_column(heading, overflow="fold")
        for finding in found.of(basis):
            mark = "[green]✓[/]" if finding.holds else "[red]✗[/]"
            table.add_row(mark, finding.service, finding.invariant, finding.sentence)
        console.print(table)
