"""Owns the tables in which a person reads the churn evaluation."""

from typing import Any

from rich.console import Console
from rich.table import Table

Report = dict[str, Any]


def render(report: Report, console: Console) -> None:
    """Print the report of `evaluate churn`, on receipts or on CDNOW."""
    if "cdnow" in report:
        console.print(_cdnow(report))
        return
    console.print(
        f"[bold]{report['data']}[/bold]: {report['customers']:,} customers, {report['visits']:,} visits; "
        f"held-out days {report['origins']}",
        highlight=False,
    )
    for label in report["labels"]:
        console.print(_label(report, label))
    console.print(_early(report))
    console.print(_alerts(report))
    console.print(_when(report))
    console.print(_value(report["value"]))
    console.print(f"{report['seconds']:.0f} s, {report['peak_memory_mb']:,} MB at the peak", highlight=False)


def _label(report: Report, label: str) -> Table:
    model = report["labels"][label]
    table = Table(
        "",
        "AUC",
        "95 %",
        "AP",
        "lift 10 %",
        "Brier",
        "ECE",
        "regulars minus it",
        title=f"{label} ({_share(model['base'])})",
    )
    table.add_row("[bold]regulars[/bold]", *_label_cells(model), "")
    for name, baseline in report["baselines"].items():
        row = baseline["labels"][label]
        gain = row["model_minus_baseline"]
        table.add_row(
            name, *_label_cells(row), f"{_signed(gain['auc'])} ({_range(gain['auc_interval'], signed=True)})"
        )
    return table


def _label_cells(row: Report) -> list[str]:
    figures = [_cell(row[name]) for name in ("ap", "lift10", "brier", "ece")]
    return [_cell(row["auc"]), _range(row["intervals"]["auc"]), *figures]


def _early(report: Report) -> Table:
    table = Table("", "AUC", "AP", "right of top 3 %", "top 5 %", "own limit: AUC", "top 5 %")
    table.title = f"certain 14-56 days from now ({_share(report['early']['base'])})"
    rows = {"[bold]regulars[/bold]": report["early"]}
    rows |= {name: baseline["early"] for name, baseline in report["baselines"].items()}
    for name, row in rows.items():
        own = row["own_limit"]
        cells = [row["auc"], row["ap"], row["precision@3"], row["precision@5"], own["auc"], own["precision@5"]]
        table.add_row(name, *map(_cell, cells))
    return table


def _alerts(report: Report) -> Table:
    table = Table("", "warnings", "useful", "recall", "recall, 14 days ahead", "median lead, days")
    table.title = f"warning 5 % a week, {report['alerts']['losses']:,} losses"
    rows = {"[bold]regulars[/bold]": report["alerts"]}
    rows |= {name: baseline["alerts"] for name, baseline in report["baselines"].items()}
    for name, row in rows.items():
        shares = [row["useful_precision"], row["recall"], row["recall_lead14"]]
        table.add_row(name, f"{row['alerts']:,}", *map(_cell, shares), f"{row['median_lead_days'] or 0:.0f}")
    return table


def _when(report: Report) -> Table:
    table = Table("limit", "integrated Brier", "concordance", "error in weeks", "lost in 8 weeks: expected", "seen")
    table.title = "when"
    for name, row in (("fixed, 28 days", report["when"]), ("own", report["when"]["own_limit"])):
        figures = [row["ibs"], row["c_index"], row["week_error"]]
        table.add_row(
            name, *map(_cell, figures), _cell(row["expected_share"]["8"]), _cell(row["observed_share"]["8"])
        )
    return table


def _value(value: Report) -> Table:
    names = {
        "lost_spend_top10": "risk x value",
        "by_risk_root_value": "risk x root of value",
        "by_value": "value",
        "by_risk": "risk",
        "perfect": "hindsight",
    }
    table = Table(*names.values(), title="share of the lost spend in the first tenth of the list, ordered by")
    table.add_row(*(_cell(value[name]) for name in names))
    return table


def _cdnow(report: Report) -> Table:
    table = Table("", "AUC", "mean absolute error", "correlation")
    table.title = f"CDNOW, {report['customers']:,} customers, 39 weeks ahead ({_share(report['base'])})"
    table.add_row("[bold]regulars[/bold]", *_cdnow_cells(report["cdnow"]))
    for name, baseline in report["baselines"].items():
        table.add_row(name, *_cdnow_cells(baseline["cdnow"]))
    return table


def _cdnow_cells(row: Report) -> list[str]:
    return [_cell(row[name]) for name in ("auc", "mae", "correlation")]


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _range(bounds: list[float | None], *, signed: bool = False) -> str:
    return "..".join((_signed if signed else _cell)(bound) for bound in bounds)


def _share(base: float | None) -> str:
    return f"{100 * (base or 0):.1f} % of them"
