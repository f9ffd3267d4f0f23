"""`regulars up`: start everything and keep it running, here or in the background."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from regulars.background import start_detached
from regulars.cli.options import DATA_DIR_DEFAULT, DataDir
from regulars.credentials import Credentials
from regulars.deployment import POSTGRES_VARIABLE, UpOptions
from regulars.engines import Report
from regulars.folder import DataFolder
from regulars.signals import ProcessSignals
from regulars.supervisor import Supervisor


def up(  # noqa: PLR0913 - each is an option of the command line
    data_dir: DataDir = DATA_DIR_DEFAULT,
    *,
    detach: Annotated[bool, typer.Option("--detach", help="Return when everything is ready.")] = False,
    port_base: Annotated[
        int, typer.Option(min=1024, max=65000, help="First port; the services listen on the next ones.")
    ] = 8000,
    broker: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Kafka brokers to use instead of the embedded one.")
    ] = None,
    postgres: Annotated[
        str | None,
        typer.Option(
            metavar="DSN",
            envvar=POSTGRES_VARIABLE,
            help="PostgreSQL to use instead of the embedded one; a role that may create roles and databases.",
        ),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217 code of the chain's figures; kept with the data.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA zone of the chain's days; kept with the data.")] = None,
    plain: Annotated[bool, typer.Option("--plain", hidden=True)] = False,
) -> None:
    options = UpOptions(DataFolder.of(data_dir), port_base, broker, postgres, currency, time_zone)
    report = _reporter()
    if detach:
        credentials = start_detached(options, print)
        _print_addresses(credentials, options, "stop it with: regulars down")
        return

    def when_ready(credentials: Credentials) -> None:
        if plain:
            report("everything is ready")
        else:
            _print_addresses(credentials, options, "stop it with Ctrl-C")

    signals = ProcessSignals()
    with signals.installed():
        Supervisor(options, report, signals).run(when_ready)
    report("stopped")


def _reporter() -> Report:
    began = time.monotonic()

    def report(line: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {line}", flush=True)

    return report


def _print_addresses(credentials: Credentials, options: UpOptions, ending: str) -> None:
    table = Table(title="Regulars is running")
    for heading in ("service", "address", "documentation"):
        table.add_column(heading, overflow="fold")
    for name, address in credentials.addresses.items():
        table.add_row(name, address, f"{address}/docs")
    if options.postgres is None:
        table.add_row("postgres", f"127.0.0.1:{options.ports.postgres}", "")
    table.add_row("broker", credentials.bootstrap_servers, "")
    console = Console()
    console.print(table)
    console.print(f"keys and database addresses: {options.folder.credentials_file}", soft_wrap=True)
    console.print(ending)
