"""`regulars evaluate identity`: how well ingest tells who is who, on made-up contact data of real households."""

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from regulars.cli.options import AsJson, print_json
from regulars.evaluation.identity import CHOOSING_SEEDS, SCORING_SEEDS, evaluate

Choosing = Annotated[
    bool, typer.Option("--choosing", help="on the seeds that rules are chosen by, not those they are scored on")
]


def evaluate_identity(*, choosing: Choosing = False, as_json: AsJson = False) -> None:
    """Link invented records of real households with ingest's own rules; compare with who they truly were."""
    errors = Console(stderr=True)
    started = time.monotonic()

    def progress(step: str) -> None:
        errors.print(f"[dim]{time.monotonic() - started:5.0f} s[/dim]  {step}", highlight=False)

    report = evaluate(progress, CHOOSING_SEEDS if choosing else SCORING_SEEDS)
    if as_json:
        print_json(report)
    else:
        render(report, Console())


def render(report: dict[str, Any], console: Console) -> None:
    """Print the report for a person."""
    console.print(
        f"{report['households']} households, {report['people']:,} people, {report['records']:,} records a world,"
        f" {len(report['seeds'])} worlds; contact data are made up",
        highlight=False,
    )
    table = Table("", "precision", "recall", "f1", title="over pairs of records, mean of the worlds")
    table.add_row("[bold]regulars[/bold]", *_cells(report["metrics"]))
    table.add_row("  95 % interval", *(f"{low:.4f}-{high:.4f}" for low, high in report["intervals"].values()))
    table.add_row("  without shared phones and e-mails", *_cells(report["without_shared_contacts"]))
    for name, metrics in report["baselines"].items():
        table.add_row(name.replace("_", " "), *_cells(metrics))
    console.print(table)
    wanted = ", ".join(f"{name} {value}" for name, value in report["targets"].items())
    console.print(f"targets: {wanted}: {'met' if report['targets_met'] else 'not met'}", highlight=False)


def _cells(metrics: dict[str, float]) -> list[str]:
    return [f"{metrics[name]:.4f}" for name in ("precision", "recall", "f1")]
