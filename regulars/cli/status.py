"""`regulars status`: what runs, how it is, how far it lags."""

from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table

from regulars.cli.options import DATA_DIR_DEFAULT, AsJson, DataDir, print_json
from regulars.folder import DataFolder
from regulars.state import RunState, running_state
from regulars.status import ProcessStatus, collect


def status(data_dir: DataDir = DATA_DIR_DEFAULT, *, as_json: AsJson = False) -> None:
    folder = DataFolder.of(data_dir)
    state = running_state(folder)
    processes = [] if state is None else collect(state)
    if as_json:
        print_json({"processes": [asdict(process) for process in processes]})
    elif state is None:
        print(f"nothing is running on {folder.root}")
    else:
        _print_table(state, processes)
    if state is None:
        raise typer.Exit(1)


def _print_table(state: RunState, processes: list[ProcessStatus]) -> None:
    table = Table(title=f"{state.phase}, supervisor {state.supervisor.pid}")
    for heading in ("service", "role", "state", "address", "pid", "restarts", "MB", "lag"):
        table.add_column(heading, overflow="fold")
    for process in processes:
        table.add_row(
            process.service,
            process.role,
            f"{process.state}: {process.reason}" if process.reason else process.state,
            process.address.removeprefix("http://"),
            _text(process.pid),
            str(process.restarts),
            _text(process.memory_mb),
            _lag(process),
        )
    console = Console()
    console.print(table)
    for warning in state.warnings:
        console.print(warning)


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _lag(process: ProcessStatus) -> str:
    if process.lag_records is None:
        return ""
    if process.lag_seconds is None:
        return f"{process.lag_records}"
    return f"{process.lag_records} ({process.lag_seconds:.1f} s)"
