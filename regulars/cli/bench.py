"""`regulars bench NAME…`: measure what the product does a second, and show it beside target and bare limit."""

import platform
import sys
import time
from collections.abc import Sequence
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from regulars.bench.figures import Figure, Report, significant
from regulars.bench.names import Bench
from regulars.cli.options import AsJson, print_json

BUSY_LOAD = 0.5
WIDTH = 132


def bench(
    names: Annotated[list[Bench], typer.Argument(metavar="NAME...", help="What to measure, one after the other.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Measure on loopback, each on a temporary deployment of its own; a missed target is shown, not an error."""
    # Not at the top: it imports the model libraries, and a wrong name or `--help` should be answered at once.
    from regulars.bench.suite import run  # noqa: PLC0415

    began = time.monotonic()
    reports = []
    for name in names:

        def say(line: str, name: Bench = name) -> None:
            print(f"[{time.monotonic() - began:5.0f} s] {name}: {line}", file=sys.stderr, flush=True)

        reports.append(run(name, say))
    if as_json:
        print_json(document(reports))
    else:
        show(reports)


def document(reports: Sequence[Report]) -> dict[str, object]:
    return {"machine": machine(), "benches": [report.document() for report in reports]}


def machine() -> dict[str, object]:
    """Say on what it ran."""
    return {
        "system": platform.platform(terse=True),
        "processor": platform.processor() or platform.machine(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
    }


def show(reports: Sequence[Report]) -> None:
    """Print one table of all figures, and below it what each benchmark did."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    table = Table(title="Benchmarks: " + ", ".join(f"{name} {value}" for name, value in machine().items()))
    for heading, side in (("", "left"), ("figure", "left"), ("measured", "right"), ("target", "right")):
        table.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
    for heading in ("bare limit", "of bare"):
        table.add_column(heading, justify="right", overflow="fold")
    for report in reports:
        for place, figure in enumerate(report.figures):
            table.add_row(report.bench if place == 0 else "", *cells(figure))
        table.add_section()
    console.print(table)
    for report in reports:
        console.print(f"{report.bench}: {_about(report)}", highlight=False)


def cells(figure: Figure) -> tuple[str, str, str, str, str]:
    """Return a figure's row: name with its note, value, target with whether it was met, bare limit, ratio."""
    name = f"{figure.name} ({figure.note})" if figure.note else figure.name
    target = ""
    if figure.target is not None:
        target = f"{figure.target.sense} {figure.target.value:,g} {'met' if figure.is_met else 'MISSED'}"
    bare = "" if figure.bare is None else number(figure.bare.value)
    times = "" if figure.ratio is None else number(figure.ratio)
    return name, f"{number(figure.value)} {figure.unit}".strip(), target, bare, times


def number(value: float) -> str:
    """Write with three significant digits, thousands apart."""
    return f"{significant(value, 3):,.10g}"


def _about(report: Report) -> str:
    bare = sorted({figure.bare.what for figure in report.figures if figure.bare is not None})
    busy = ""
    if report.load_before > BUSY_LOAD:
        busy = f" The machine was busy before it began (load {report.load_before:.1f}): expect better when it is not."
    limit = f" Bare limit: {'; '.join(bare)}." if bare else ""
    return f"{report.setting}.{limit} Took {report.seconds:.0f} s.{busy}"
