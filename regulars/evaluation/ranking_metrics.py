"""Owns the figures of a ranked list against the basket that came, and their bootstrap intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Owners = npt.NDArray[np.int64]
"""Whose list each row is."""

METRICS = (
    "recall@10",
    "recall@20",
    "ndcg@10_full",
    "ndcg@10_min",
    "hit@10",
    "recall_repeat@10",
    "recall_new@10",
    "mrr@20",
)
DRAWS = 1000
_DISCOUNT = 1 / np.log2(np.arange(2, 2002))
_IDEAL = np.cumsum(_DISCOUNT)


def figures(ranked: npt.NDArray[np.int64], target: npt.NDArray[np.int64], owned: npt.NDArray[np.int64]) -> Values:
    """Return METRICS for one list; NaN where one is not defined (no repeat, or nothing new, in the basket).

    `ndcg@10_full` divides by the ideal list over the whole basket, `ndcg@10_min` by the ideal of min(10, basket).
    """
    hits = np.isin(ranked[:20], target)
    size = target.size
    gain = float((hits[:10] * _DISCOUNT[: min(10, hits.size)]).sum())
    first = np.flatnonzero(hits)
    repeats = np.isin(target, owned)
    return np.array(
        [
            hits[:10].sum() / size,
            hits.sum() / size,
            gain / _IDEAL[size - 1],
            gain / _IDEAL[min(size, 10) - 1],
            float(hits[:10].any()),
            _share(ranked[:10], target[repeats]),
            _share(ranked[:10], target[~repeats]),
            1 / (first[0] + 1) if first.size else 0.0,
        ]
    )


def figures_of_places(places: npt.NDArray[np.int64]) -> Values:
    """Return the figures of lists in which the one wanted product stands at these places (0 first), row by row."""
    wanted, nobody = np.zeros(1, np.int64), np.empty(0, np.int64)
    lists = (np.append(np.full(min(place, 20), -1), 0) for place in places.tolist())
    return np.array([figures(ranked, wanted, nobody) for ranked in lists]).reshape(-1, len(METRICS))


def means(rows: Values) -> dict[str, float]:
    """Return each metric's mean over the lists for which it is defined."""
    return {name: _mean(rows[:, column]) for column, name in enumerate(METRICS)}


def intervals(rows: Values, owners: Owners | None = None, seed: int = 7) -> dict[str, list[float]]:
    """Return each metric's 95 % bootstrap interval over customers; without `owners` every list is a customer's."""
    drawn = _drawn_means(rows, _draws(rows, owners, seed))
    return {name: _interval(drawn[:, column]) for column, name in enumerate(METRICS)}


def paired_differences(
    rows: Values, others: Mapping[str, Values], owners: Owners | None = None, seed: int = 7
) -> dict[str, dict[str, list[float]]]:
    """Return per baseline and metric [difference, low, high]: 95 %, the same customers drawn on both sides."""
    draws = _draws(rows, owners, seed)
    return {name: _differences(rows - other, draws) for name, other in others.items()}


def relative_changes(
    names: Sequence[str], rows: Values, others: Values, owners: Owners | None = None, seed: int = 7
) -> dict[str, list[float]]:
    """Return per column [by which share its mean is above the others', low, high]: 95 %, customers drawn in pairs."""
    draws = _draws(rows, owners, seed)
    drawn = _above(_drawn_means(rows, draws), _drawn_means(others, draws))
    return {
        name: [float(_above(_mean(rows[:, column]), _mean(others[:, column]))), *_interval(drawn[:, column])]
        for column, name in enumerate(names)
    }


@dataclass(frozen=True, slots=True)
class _Draws:
    """Customers drawn with replacement: whose list each row is, and the customers of each draw."""

    owner: Owners
    chosen: npt.NDArray[np.int64]


def _draws(rows: Values, owners: Owners | None, seed: int) -> _Draws:
    owner = np.arange(rows.shape[0]) if owners is None else np.unique(owners, return_inverse=True)[1]
    size = int(owner.max()) + 1
    return _Draws(owner, np.random.default_rng(seed).integers(0, size, (DRAWS, size)))


def _drawn_means(rows: Values, draws: _Draws) -> Values:
    """Return DRAWS x METRICS means; a customer's lists are drawn together, because they resemble each other."""
    out = np.zeros((draws.chosen.shape[0], rows.shape[1]))
    for column in range(rows.shape[1]):
        known = ~np.isnan(rows[:, column])
        sums = np.bincount(draws.owner, np.where(known, rows[:, column], 0.0))
        counts = np.bincount(draws.owner, known)
        out[:, column] = sums[draws.chosen].sum(axis=1) / np.maximum(counts[draws.chosen].sum(axis=1), 1)
    return out


def _differences(gaps: Values, draws: _Draws) -> dict[str, list[float]]:
    drawn = _drawn_means(gaps, draws)
    return {name: [_mean(gaps[:, column]), *_interval(drawn[:, column])] for column, name in enumerate(METRICS)}


def _above(values: Values | float, others: Values | float) -> Values:
    """Return the share by which values are above others; nothing is above nothing."""
    base = np.asarray(others, np.float64)
    return np.divide(values, base, out=np.ones_like(base), where=base > 0) - 1


def _interval(values: Values) -> list[float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def _mean(values: Values) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else 0.0


def _share(ranked: npt.NDArray[np.int64], target: npt.NDArray[np.int64]) -> float:
    return float(np.isin(ranked, target).sum() / target.size) if target.size else float("nan")
