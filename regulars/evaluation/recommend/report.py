"""Owns the report of one protocol: figures with intervals, differences to the baselines, variety."""

import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from regulars.evaluation.ranking_metrics import Values, intervals, means, paired_differences
from regulars.evaluation.recommend_data import Evaluated
from services.recommend.history import Ints

LIST_LENGTH = 20
OURS = "regulars"
STORE_KNOWN = "regulars, store known"
Progress = Callable[[str], None]


class Protocol(StrEnum):
    LAST_BASKET = "last-basket"
    TEMPORAL = "temporal"
    COMPLETION = "completion"
    DISCOVER = "discover"


@dataclass(frozen=True)
class Report:
    """One protocol's result; `intervals` holds 95 % bootstrap intervals, also of paired differences."""

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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Lists:
    """Every method's figures and lists, one row per evaluated basket."""

    figures: dict[str, Values]
    ranked: list[Ints]
    target_sizes: Ints
    users: int


def report_of(  # noqa: PLR0913, PLR0917 - the parts of one report
    data: Evaluated, protocol: Protocol, lists: Lists, notes: list[str], started: float, second: Lists | None
) -> Report:
    ours = lists.figures[OURS]
    known = lists.figures.get(STORE_KNOWN)
    others = {name: rows for name, rows in lists.figures.items() if name not in {OURS, STORE_KNOWN}}
    spread = {"metrics": intervals(ours), "differences": paired_differences(ours, others)}
    if known is not None:
        spread["metrics_store_known"] = intervals(known)
        spread["store_known_difference"] = paired_differences(known, {"strict": ours})["strict"]
    return Report(
        data=data.name,
        protocol=protocol.value,
        users=lists.users,
        items=len(data.dataset.product_ids),
        mean_target_size=float(lists.target_sizes.mean()),
        metrics=means(ours),
        metrics_store_known=means(known) if known is not None else None,
        baselines={name: means(rows) for name, rows in others.items()},
        diversity=_diversity(data, lists.ranked),
        intervals=spread,
        notes=notes,
        seconds=round(time.perf_counter() - started, 1),
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        last_basket=_short(second) if second else None,
    )


def _short(lists: Lists) -> dict[str, Any]:
    names = {name: means(rows) for name, rows in lists.figures.items()}
    ours, known = names.pop(OURS), names.pop(STORE_KNOWN)
    return {"users": lists.users, "metrics": ours, "metrics_store_known": known, "baselines": names}


def _diversity(data: Evaluated, ranked: list[Ints]) -> dict[str, float]:
    """Return coverage, and the share of pairs within a top ten that are of different product types."""
    top = [products[:10] for products in ranked]
    shown = np.unique(np.concatenate(top))
    return {
        "catalogue_coverage@10": shown.size / len(data.dataset.product_ids),
        "different_types@10": float(np.mean([_different(data.assortment.level("product_type")[p]) for p in top])),
    }


def _different(types: Ints) -> float:
    if types.size < 2:
        return 1.0
    same = (types[:, None] == types[None, :]) & (types[:, None] >= 0)
    pairs = types.size * (types.size - 1)
    return 1.0 - (int(same.sum()) - int((types >= 0).sum())) / pairs
