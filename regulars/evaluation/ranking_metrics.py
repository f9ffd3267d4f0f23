"""Owns the figures of a ranked list against the basket that came, and their bootstrap intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

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


def means(rows: Values) -> dict[str, float]:
    """Return each metric's mean over the lists for which it is defined."""
    return {name: _mean(rows[:, column]) for column, name in enumerate(METRICS)}


def intervals(rows: Values, seed: int = 7) -> dict[str, list[float]]:
    """Return each metric's 95 % bootstrap interval over users."""
    chosen = _draws(rows.shape[0], seed)
    return {name: _interval([_mean(rows[draw, n]) for draw in chosen]) for n, name in enumerate(METRICS)}


def paired_differences(
    rows: Values, others: Mapping[str, Values], seed: int = 7
) -> dict[str, dict[str, list[float]]]:
    """Return per baseline and metric [difference, low, high]: 95 %, the same users drawn on both sides."""
    chosen = _draws(rows.shape[0], seed)
    return {name: _differences(rows, other, chosen) for name, other in others.items()}


def _differences(rows: Values, other: Values, chosen: npt.NDArray[np.int64]) -> dict[str, list[float]]:
    out = {}
    for column, name in enumerate(METRICS):
        gap = rows[:, column] - other[:, column]
        out[name] = [_mean(gap), *_interval([_mean(gap[draw]) for draw in chosen])]
    return out


def _draws(size: int, seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, size, (DRAWS, size))


def _interval(values: Sequence[float]) -> list[float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def _mean(values: Values) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else 0.0


def _share(ranked: npt.NDArray[np.int64], target: npt.NDArray[np.int64]) -> float:
    return float(np.isin(ranked, target).sum() / target.size) if target.size else float("nan")
