"""Owns the report of one protocol: figures with intervals, differences to the baselines, segments, variety."""

import resource
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from regulars.evaluation.ranking_metrics import intervals, means, paired_differences
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.lists import STORE_KNOWN, Lists, Protocol
from regulars.evaluation.recommend.segments import segments
from regulars.evaluation.recommend.variety import levels, variety


@dataclass(frozen=True)
class Report:
    """One protocol's result; `intervals` holds 95 % bootstrap intervals over customers, also of paired differences.

    `segments`: by terciles of baskets in the history. `diversity_levels`: the same lists spread as serving would.
    `filters`: the figures where products in ten baskets of the history only, nothing later, are counted.
    """

    data: str
    protocol: str
    users: int
    items: int
    mean_target_size: float
    metrics: dict[str, float]
    metrics_store_known: dict[str, float] | None
    baselines: dict[str, dict[str, float]]
    diversity: dict[str, float]
    intervals: dict[str, Any]
    notes: list[str]
    seconds: float
    peak_memory_mb: float
    last_basket: dict[str, Any] | None = None
    segments: dict[str, Any] = field(default_factory=dict)
    diversity_levels: dict[str, Any] = field(default_factory=dict)
    filters: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def report_of(
    data: Evaluated, protocol: Protocol, lists: Lists, started: float, second: Lists | None = None
) -> Report:
    """Sum up a protocol's lists; `second` are those of `discover` on last baskets."""
    known = lists.figures.get(STORE_KNOWN)
    return Report(
        data=data.name,
        protocol=protocol.value,
        users=lists.users,
        items=len(data.dataset.product_ids),
        mean_target_size=float(lists.target_sizes.mean()),
        metrics=means(lists.ours),
        metrics_store_known=means(known) if known is not None else None,
        baselines={name: means(rows) for name, rows in lists.baselines.items()},
        diversity=variety(data, [each.ranked for each in lists.asked], lists.popularity),
        intervals=_intervals(lists),
        notes=lists.notes,
        last_basket=_short(second) if second else None,
        segments=segments(lists.ours, lists.baselines, lists.baskets_before, lists.owners),
        diversity_levels={} if lists.vectors is None else levels(data, lists.asked, lists.vectors),
        filters={name: _short(part) for name, part in lists.filters.items()},
        seconds=round(time.perf_counter() - started, 1),
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _intervals(lists: Lists) -> dict[str, Any]:
    known = lists.figures.get(STORE_KNOWN)
    found: dict[str, Any] = {
        "metrics": intervals(lists.ours, lists.owners),
        "differences": paired_differences(lists.ours, lists.baselines, lists.owners),
    }
    if known is not None:
        found["metrics_store_known"] = intervals(known, lists.owners)
        found["store_known_difference"] = paired_differences(known, {"strict": lists.ours}, lists.owners)["strict"]
    return found


def _short(lists: Lists) -> dict[str, Any]:
    known = lists.figures.get(STORE_KNOWN)
    return {
        "users": lists.users,
        "mean_target_size": float(lists.target_sizes.mean()),
        "metrics": means(lists.ours),
        "metrics_store_known": means(known) if known is not None else None,
        "baselines": {name: means(rows) for name, rows in lists.baselines.items()},
        "intervals": _intervals(lists),
    }
