"""Owns what an ablation tells: per placement the figures of its lists, and what changes without each generator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from regulars.evaluation.ranking_metrics import METRICS, Owners, Values
from services.recommend.history import Floats

AS_SERVED = "as served"
Figures = Mapping[str, Floats]
"""Per figure one value a list; not a number where it is not defined."""


@dataclass(frozen=True)
class Change:
    """The mean over the lists, its paired difference to the lists as served, and the standard error of that."""

    value: float
    difference: float
    error: float


@dataclass(frozen=True)
class Section:
    """One placement asked in one way: `rows` holds what was changed, then the figures; the first is AS_SERVED."""

    title: str
    lists: int
    rows: Mapping[str, Mapping[str, Change]]


@dataclass(frozen=True)
class Ablation:
    """Every placement's section. Lists are those of validation weeks, never of the test's."""

    data: str
    sections: Sequence[Section]


def section(title: str, rows: Mapping[str, Figures], owners: Owners | None = None) -> Section:
    """Compare every row with the one AS_SERVED; `owners` says whose list each is, by default each somebody else's."""
    served = rows[AS_SERVED]
    lists = next(iter(served.values())).size
    whose = np.arange(lists) if owners is None else owners
    return Section(title, lists, {name: _changes(row, served, whose) for name, row in rows.items()})


def columns(values: Values, names: Sequence[str]) -> Figures:
    """Return these of METRICS by name."""
    return {name: values[:, METRICS.index(name)] for name in names}


def standard_error(gaps: Floats, owners: Owners) -> float:
    """Return the standard error of the mean; the lists of one customer, which resemble each other, count together."""
    known = ~np.isnan(gaps)
    if not known.any():
        return 0.0
    off = gaps[known] - gaps[known].mean()
    by_owner = np.bincount(np.unique(owners[known], return_inverse=True)[1], off)
    return float(np.sqrt((by_owner**2).sum()) / off.size)


def _changes(row: Figures, served: Figures, owners: Owners) -> dict[str, Change]:
    return {name: _change(values, served[name], owners) for name, values in row.items()}


def _change(values: Floats, served: Floats, owners: Owners) -> Change:
    gaps = values - served
    return Change(_mean(values), _mean(gaps), standard_error(gaps, owners))


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else 0.0
