"""`regulars doctor`: what is wrong, and what to do about it."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from regulars.cli.options import DATA_DIR_DEFAULT, AsJson, DataDir, print_json
from regulars.doctor import Finding, Level, examine
from regulars.folder import DataFolder

_MARKS = {Level.OK: "[green]ok[/]     ", Level.WARNING: "[yellow]warning[/]", Level.FAILURE: "[red]wrong[/]  "}


def doctor(
    data_dir: DataDir = DATA_DIR_DEFAULT,
    *,
    port_base: Annotated[int, typer.Option(min=1024, max=65000, help="Ports to look at when nothing runs.")] = 8000,
    as_json: AsJson = False,
) -> None:
    findings = examine(DataFolder.of(data_dir), port_base)
    failed = any(finding.level is Level.FAILURE for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    if failed:
        raise typer.Exit(1)


def _print(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        console.print(_MARKS[finding.level], end=" ")
        console.print(f"{finding.check}: {finding.message}", markup=False)
        if finding.action:
            console.print(f"          what to do: {finding.action}", markup=False)
