"""Owns `regulars evaluate recommend`: reads the arguments, shows progress, prints tables or one JSON document."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from regulars.cli.evaluate_recommend_parts import levels_table, render_part
from regulars.cli.simulated_experiments import render_experiments
from regulars.datasets.lines import LineFileError
from regulars.evaluation.ranking_metrics import METRICS
from regulars.evaluation.recommend.ablation_report import Ablation
from regulars.evaluation.recommend.cluster import DaskMissingError
from regulars.evaluation.recommend.cluster_comparison import Comparison
from regulars.evaluation.recommend.data import TooFewLinesError, load
from regulars.evaluation.recommend.lists import Protocol
from regulars.evaluation.recommend.next_basket import NobodyToAskError
from regulars.evaluation.recommend.parts import Found, Part, evaluate_part
from regulars.evaluation.recommend.report import Report
from regulars.evaluation.recommend.run import evaluate
from services.recommend.training.origins import TooLittleDataError


def evaluate_recommend(
    data: Annotated[str, typer.Option(help="completejourney, or a file of receipt lines (.csv, .parquet, .ndjson)")],
    protocol: Annotated[Protocol, typer.Option(help="what is hidden and predicted")] = Protocol.TEMPORAL,
    part: Annotated[
        Part | None,
        typer.Option(
            help="instead: when things are due, lists from little, each generator off, Dask beside here, experiments,"
            " every level of diversity"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Rank real history with the code that serves and compare with what people then bought."""
    started = time.monotonic()
    errors = Console(stderr=True)

    def progress(step: str) -> None:
        errors.print(f"[dim]{time.monotonic() - started:5.0f} s[/dim]  {step}", highlight=False)

    try:
        progress(f"reading {data}")
        loaded = load(data)
        found: Found | Report
        found = evaluate(loaded, protocol, progress) if part is None else evaluate_part(loaded, part, progress)
    except (LineFileError, TooFewLinesError, TooLittleDataError, NobodyToAskError, DaskMissingError) as error:
        errors.print(f"[red]cannot evaluate:[/red] {error}", highlight=False)
        raise typer.Exit(code=1) from error
    if as_json:
        json.dump(found if isinstance(found, dict) else asdict(found), sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        _show(found, Console())


def _show(found: Found | Report, console: Console) -> None:
    if isinstance(found, Ablation):
        render_ablation(found, console)
    elif isinstance(found, Comparison):
        render_comparison(found, console)
    elif isinstance(found, Report):
        render(found, console)
    elif found["part"] == Part.EXPERIMENTS.value:
        render_experiments(found, console)
    else:
        render_part(found, console)


def render(report: Report, console: Console) -> None:
    """Print the report for a person."""
    console.print(
        f"[bold]{report.protocol}[/bold] on {report.data}: {report.users:,} customers, {report.items:,} products, "
        f"{report.mean_target_size:.1f} products to predict on average",
        highlight=False,
    )
    console.print(_figures(report))
    console.print(_differences(report))
    for title, groups in (
        ("by baskets in the history", report.segments),
        ("by filter", report.filters),
    ):
        if groups:
            console.print(_groups(title, groups))
    if report.diversity_levels:
        console.print(levels_table("by level of diversity", report.diversity_levels))
    for name, value in report.diversity.items():
        console.print(f"{name} {value:.3f}", highlight=False)
    for note in report.notes:
        console.print(f"[dim]{note}[/dim]", highlight=False)
    console.print(f"{report.seconds:.0f} s, {report.peak_memory_mb:,.0f} MB at the peak", highlight=False)


def render_ablation(report: Ablation, console: Console) -> None:
    """Print what each generator brings, for a person: the figure, and what it is more or less than as served."""
    for each in report.sections:
        names = list(next(iter(each.rows.values())))
        table = Table("", *names, title=f"{each.title}: {each.lists:,} lists of {report.data}")
        for row, found in each.rows.items():
            changes = (found[name] for name in names)
            table.add_row(row, *(f"{one.value:.4f} {one.difference:+.4f} ±{one.error:.4f}" for one in changes))
        console.print(table)


SHOWN = ("recall@10", "ndcg@10_full", "hit@10", "mrr@20")


def render_comparison(report: Comparison, console: Console) -> None:
    """Print what a cluster's rankers find beside those of one machine, for a person."""
    for name, found in report.rankers.items():
        title = f"{name}: {found.lists:,} lists of {report.data}, learned from {found.rows:,} rows"
        table = Table("", *SHOWN, title=title)
        for where, metrics in (("one machine", found.one_machine), (f"{report.workers} workers", found.cluster)):
            table.add_row(where, *(f"{metrics[metric]:.4f}" for metric in SHOWN))
        table.add_row("difference", *(_difference(*found.differences[metric]) for metric in SHOWN))
        console.print(table)


def _figures(report: Report) -> Table:
    table = Table("", *METRICS, title="mean over customers")
    table.add_row("[bold]regulars[/bold]", *_cells(report.metrics))
    spread = report.intervals["metrics"]
    table.add_row("  95 % interval", *(f"{low:.3f}-{high:.3f}" for low, high in (spread[name] for name in METRICS)))
    if report.metrics_store_known is not None:
        table.add_row("regulars, the visit's store known", *_cells(report.metrics_store_known))
    for name, metrics in report.baselines.items():
        table.add_row(name, *_cells(metrics))
    for name, part in (report.last_basket or {}).items():
        if name == "metrics":
            table.add_row("regulars, last-basket", *_cells(part))
    return table


def _differences(report: Report) -> Table:
    table = Table("regulars minus", *METRICS, title="paired difference with 95 % interval")
    for name, metrics in report.intervals["differences"].items():
        table.add_row(name, *(_difference(*metrics[metric]) for metric in METRICS))
    return table


def _groups(title: str, groups: Mapping[str, Any]) -> Table:
    table = Table("", *METRICS, title=title)
    for name, group in groups.items():
        table.add_row(_described(name, group), *_cells(group["metrics"]))
        for other in ("tifu_knn", "formula"):
            if other in group.get("baselines", {}):
                table.add_row(f"  {other}", *_cells(group["baselines"][other]))
    return table


def _described(name: str, group: Mapping[str, Any]) -> str:
    if "baskets_before" in group:
        return f"{name} ({group['baskets_before'][0]}-{group['baskets_before'][1]} baskets, {group['lists']} lists)"
    return name


def _difference(value: float, low: float, high: float) -> str:
    return f"{value:+.4f}\n{low:+.3f}..{high:+.3f}"


def _cells(metrics: dict[str, float]) -> list[str]:
    return [f"{metrics[name]:.4f}" for name in METRICS]
