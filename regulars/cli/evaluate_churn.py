"""`regulars evaluate churn`: how well the warnings would have foreseen what real shoppers then did."""

import math
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from regulars.cli.options import AsJson, print_json
from regulars.datasets.lines import LineFileError
from regulars.evaluation import churn_data
from regulars.evaluation.churn import evaluate
from regulars.evaluation.churn_cdnow import evaluate_cdnow
from regulars.evaluation.churn_text import render
from regulars.evaluation.progress import Progress
from services.churn.training import NotEnoughHistory


def evaluate_churn(
    data: Annotated[
        str, typer.Option(help="completejourney, cdnow, or a file of receipt lines (.csv, .parquet, .ndjson)")
    ] = "completejourney",
    *,
    time_zone: Annotated[str, typer.Option(help="Of a file's times without an offset.")] = "UTC",
    as_json: AsJson = False,
) -> None:
    """Train before held-out days of real history with the code that serves, and judge what it foresaw."""
    errors = Console(stderr=True)
    started = time.monotonic()

    def progress(step: str) -> None:
        errors.print(f"[dim]{time.monotonic() - started:5.0f} s[/dim]  {step}", highlight=False)

    try:
        report = _report(data, time_zone, progress)
    except (LineFileError, NotEnoughHistory, FileNotFoundError) as error:
        errors.print(f"[red]cannot evaluate:[/red] {error}", highlight=False)
        raise typer.Exit(code=1) from error
    report = without_nan(report)
    if as_json:
        print_json(report)
    else:
        render(report, Console())


def _report(data: str, time_zone: str, progress: Progress) -> dict[str, Any]:
    if data == "cdnow":
        return evaluate_cdnow(progress)
    progress(f"reading {data}")
    if data == "completejourney":
        return evaluate(churn_data.complete_journey(), progress)
    return evaluate(churn_data.from_file(Path(data), time_zone, progress), progress)


def without_nan(value: Any) -> Any:  # noqa: ANN401 - a JSON document of any shape
    """Replace NaN, which JSON does not know, by null: a figure that the data cannot give."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
