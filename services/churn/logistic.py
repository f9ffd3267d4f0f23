"""Owns the regularised logistic regression: the permanent challenger, and the fallback on little data."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from services.churn.visits import Bools, Floats

STEPS_MAX = 50
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Logistic:
    """A ridge logistic regression over shaped columns.

    Columns are pulled towards symmetry (signed log), centred, scaled and clipped to +-4 deviations;
    a missing value counts as the mean. `weights` has one entry per column, then the intercept.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]

    def log_odds(self, values: Floats) -> Floats:
        result: Floats = self.contributions(values).sum(axis=1)
        return result

    def probability(self, values: Floats) -> Floats:
        return sigmoid(self.log_odds(values))

    def contributions(self, values: Floats) -> Floats:
        """Log-odds per column, then the intercept: shape (rows, columns + 1); rows sum to the log-odds."""
        scaled = _scaled(values, np.array(self.centre), np.array(self.scale))
        parts: Floats = np.column_stack([scaled, np.ones(len(values))]) * np.array(self.weights)
        return parts

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> Self:
        return cls(**{name: tuple(data[name]) for name in ("centre", "scale", "weights")})


def fit_logistic(values: Floats, happened: Bools, ridge: float = 30.0) -> Logistic:
    """Maximise the likelihood less ridge / 2 times the squared weights (not the intercept)."""
    shaped = _signed_log(values)
    seen = ~np.all(np.isnan(shaped), axis=0)
    filled = np.where(seen, shaped, 0.0)
    centre = np.nanmean(filled, axis=0)
    scale = np.nanstd(filled, axis=0)
    scale[scale < 1e-9] = 1.0
    design = np.column_stack([_scaled(values, centre, scale), np.ones(len(values))])
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 0.0
    weights = _maximise(design, happened.astype(np.float64), penalty)
    return Logistic(tuple(centre.tolist()), tuple(scale.tolist()), tuple(weights.tolist()))


def sigmoid(log_odds: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -35, 35)))


def _maximise(design: Floats, happened: Floats, penalty: Floats) -> Floats:
    """Find the weights by Newton's method, halving a step that would not improve."""
    # Several BLAS threads spin against each other on so small a matrix: measured 30 times slower.
    with threadpool_limits(1, "blas"):
        return _newton(design, happened, penalty)


def _newton(design: Floats, happened: Floats, penalty: Floats) -> Floats:
    weights: Floats = np.zeros(design.shape[1])
    loss = _loss(design, happened, penalty, weights)
    for _ in range(STEPS_MAX):
        probability = sigmoid(design @ weights)
        slope = design.T @ (probability - happened) + penalty * weights
        spread = np.maximum(probability * (1.0 - probability), 1e-9)
        step = np.linalg.solve((design.T * spread) @ design + np.diag(penalty), slope)
        candidate = weights - step
        while (value := _loss(design, happened, penalty, candidate)) > loss and np.abs(step).max() > TOLERANCE:
            step = step / 2
            candidate = weights - step
        if loss - value <= TOLERANCE * abs(loss):
            return weights
        weights, loss = candidate, value
    return weights


def _loss(design: Floats, happened: Floats, penalty: Floats, weights: Floats) -> float:
    odds = design @ weights
    fit = np.logaddexp(0, odds).sum() - happened @ odds
    return float(fit + 0.5 * (penalty * weights**2).sum())


def _signed_log(values: Floats) -> Floats:
    shaped: Floats = np.sign(values) * np.log1p(np.abs(values))
    return shaped


def _scaled(values: Floats, centre: Floats, scale: Floats) -> Floats:
    return np.nan_to_num(np.clip((_signed_log(values) - centre) / scale, -4.0, 4.0), nan=0.0)
