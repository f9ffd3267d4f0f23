"""Owns printing what is evaluated apart: when things are due, lists from little, searches, diversity."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

_SHOWN = ("recall@10", "recall@20", "ndcg@10_min", "hit@10", "mrr@20")


def render_part(report: dict[str, Any], console: Console) -> None:
    """Print a part's report for a person."""
    console.print(f"[bold]{report['part']}[/bold] on {report['data']}", highlight=False)
    for name, level in report.get("levels", {}).items():
        _print_level(name, level, console)
    for name, group in report.get("groups", {}).items():
        console.print(_group(name, group))
    for name, levels in report.get("spread", {}).items():
        console.print(levels_table(name, levels))
    for size, rows in report.get("sizes", {}).items():
        console.print(_searches(size, rows, report["depth"]))
    for note in report.get("notes", []):
        console.print(f"[dim]{note}[/dim]", highlight=False)


def levels_table(title: str, levels: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return what each level of diversity brings and costs: figures, and changes from `off` with 95 % intervals."""
    names = list(levels["off"]["changes"])
    table = Table("", *names, title=title)
    for name, level in levels.items():
        figures = {**level["metrics"], **level}
        changes = (level["changes"][figure] for figure in names)
        cells = (f"{figures[figure]:.4f}\n{_change(*change)}" for figure, change in zip(names, changes, strict=True))
        table.add_row(name, *cells)
    return table


def _change(share: float, low: float, high: float) -> str:
    return f"{share:+.1%} ({low:+.1%}..{high:+.1%})"


def _print_level(name: str, level: dict[str, Any], console: Console) -> None:
    table = Table("days", "", "Brier", "AUC", "calibration error", title=f"{name}: {level['rows']:,} rows")
    for days, horizon in level["horizons"].items():
        for way, brier in horizon["brier"].items():
            others = (horizon[figure].get(way) for figure in ("auc", "ece"))
            table.add_row(days, way, f"{brier:.4f}", *("" if value is None else f"{value:.4f}" for value in others))
    console.print(table)
    for way, said in level["said"].items():
        shares = ", ".join(f"{share[0]:.1%} within {days} days" for days, share in said["bought"].items())
        console.print(f"{way} says due {said['per_customer']:.1f} times a customer: bought {shares}", highlight=False)
    for way, (middle, low, high) in level["dates"]["median_days_off"].items():
        console.print(f"{way}: {middle:.1f} days off ({low:.1f}-{high:.1f})", highlight=False)


def _searches(size: str, rows: list[dict[str, Any]], depth: int) -> Table:
    names = (f"recall@{depth}", "a search, ms", "effort", "building, s", "memory, MB")
    table = Table("", *names, title=f"{size} vectors")
    for row in rows:
        figures = (f"{row['recall']:.3f}", f"{row['search_ms']:.2f}", f"{row['effort']:,}", f"{row['build_s']:.1f}")
        table.add_row(row["kind"], *figures, f"{row['memory_mb']:.0f}")
    return table


def _group(name: str, group: dict[str, Any]) -> Table:
    lists = group.get("customers", group.get("baskets"))
    table = Table("", *_SHOWN, "recall@10 against", title=f"{name} ({lists:,} lists)")
    differences = group["differences"]
    for way, metrics in group["metrics"].items():
        against = differences["to"].get(way, {}).get("recall@10")
        text = f"{differences['of']}" if against is None else "{:+.4f} ({:+.4f}..{:+.4f})".format(*against)
        table.add_row(way, *(f"{metrics[figure]:.4f}" for figure in _SHOWN), text)
    return table
