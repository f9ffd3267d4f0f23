"""Owns printing simulated experiments: tables with the truth beside the estimate."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def render_experiments(report: Mapping[str, Any], console: Console) -> None:
    """Print the report of `simulate` for a person."""
    console.print(f"[bold]experiments[/bold]: {report['about']}", highlight=False)
    console.print(_quiet(report["a_a"]))
    for contrast in report["contrasts"]:
        console.print(_contrast(contrast))
        console.print(
            f"found 4 times of 5: A/B with {_people(contrast['ab_people_needed'])}, "
            f"interleaving with {_people(contrast['interleaving_people_needed'])}",
            highlight=False,
        )
    console.print(f"{report['customers']:,} customers, {report['seconds']:.0f} s", highlight=False)


def _quiet(found: Mapping[str, Any]) -> Table:
    title = f"a list against itself: false alarms in {found['experiments']} experiments of {found['people']} people"
    table = Table("what is looked at", "false alarms", title=title)
    for name, about in (
        ("click_through", "click-through, at the end"),
        ("attributed_purchases", "credited purchases, at the end"),
        ("interleaving", "interleaving, at the end"),
        ("looked_at_twelve_times", "click-through, looked at twelve times"),
        ("always_valid", "the same by the interval for every day"),
        ("split_alarms", "the split of people"),
    ):
        table.add_row(about, f"{found[name]:.3f}")
    return table


def _contrast(contrast: Mapping[str, Any]) -> Table:
    title = (
        f"{contrast['second']} against {contrast['first']}: true difference of click-through "
        f"{contrast['true_difference']:+.4f}"
    )
    columns = (
        "people",
        "A/B finds it",
        "mean estimate",
        "interval holds the truth",
        "interleaving finds it",
        "share",
    )
    table = Table(*columns, title=title)
    for row in contrast["by_people"]:
        table.add_row(
            f"{row['people']:,}",
            f"{row['ab_found']:.2f}",
            f"{row['ab_mean_difference']:+.4f}",
            f"{row['ab_interval_holds_truth']:.2f}",
            f"{row['interleaving_found']:.2f}",
            f"{row['interleaving_mean_preference']:.2f}",
        )
    return table


def _people(count: int | None) -> str:
    return "more than were tried" if count is None else f"{count:,} people"
