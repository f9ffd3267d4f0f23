"""Owns scoring: a trained model's heads, the curve of the next twelve weeks, contributions by family."""

from dataclasses import dataclass
from typing import Protocol

import lightgbm as lgb
import numpy as np

from services.churn.features import COLUMNS, FAMILIES, NAMES, Features
from services.churn.logistic import Logistic, sigmoid
from services.churn.visits import Floats

WEEKS = 12
HAZARD_NAMES = (*NAMES, "week", "limit_days_left_in_week")
ALERT_WEEKS = (2, 8)
_FAMILY_OF = {**COLUMNS, "week": "silence", "limit_days_left_in_week": "silence"}


class Head(Protocol):
    """A fitted classifier over the columns.

    `contributions` has one more column, the intercept, and its rows sum to `log_odds`.
    """

    def log_odds(self, values: Floats) -> Floats: ...
    def probability(self, values: Floats) -> Floats: ...
    def contributions(self, values: Floats) -> Floats: ...


class Trees:
    """LightGBM's boosted trees, kept as their text so that what is stored is what scores."""

    def __init__(self, text: str, threads: int = 1) -> None:
        self.text = text
        self._booster = lgb.Booster(model_str=text)
        self._threads = threads

    def log_odds(self, values: Floats) -> Floats:
        return self._predict(values, raw_score=True)

    def probability(self, values: Floats) -> Floats:
        return sigmoid(self.log_odds(values))

    def contributions(self, values: Floats) -> Floats:
        return self._predict(values, pred_contrib=True)

    def _predict(self, values: Floats, **how: bool) -> Floats:
        if not len(values):
            width = self._booster.num_feature() + 1
            return np.zeros((0, width) if how.get("pred_contrib") else 0)
        return np.asarray(self._booster.predict(values, num_threads=self._threads, **how), dtype=np.float64)


@dataclass(frozen=True)
class Model:
    """The heads of one version.

    `hazard` answers for one week at a time, over `HAZARD_NAMES`; `challengers` are the logistic regressions
    of the two labels, fitted on the same rows.
    """

    hazard: Head
    lapse28: Head
    partial56: Head
    challengers: dict[str, Logistic]


@dataclass(frozen=True)
class Scores:
    """One row per customer, NaN for those never seen.

    `lost_by_week[:, k - 1]` is the probability that the silence exceeds the limit within k weeks,
    k = 1..12; it never falls along k.
    """

    lost_by_week: Floats
    lapse28: Floats
    partial56: Floats

    def lost_within(self, weeks: int) -> Floats:
        column: Floats = self.lost_by_week[:, weeks - 1]
        return column

    @property
    def alert(self) -> Floats:
        """Probability that the loss becomes certain in weeks 3..8, while there is time to act."""
        return self.lost_within(ALERT_WEEKS[1]) - self.lost_within(ALERT_WEEKS[0])


def score(model: Model, now: Features) -> Scores:
    """Score every customer of `now` as of its day."""
    curve = loss_curve(model.hazard, now)
    lapse, partial = (np.full(len(now.values), np.nan) for _ in range(2))
    lapse[now.visited] = model.lapse28.probability(now.values[now.visited])
    partial[now.visited] = model.partial56.probability(now.values[now.visited])
    return Scores(curve, lapse, partial)


def loss_curve(hazard: Head, now: Features, limit_days: Floats | None = None) -> Floats:
    """P(silence exceeds the limit within k weeks), shape (customers, 12), from one weekly hazard.

    The limit is the customer's own unless given (the fixed limit of an evaluation).
    """
    curve = np.full((len(now.values), WEEKS), np.nan)
    rows = hazard_values(now, limit_days)[np.repeat(now.visited, WEEKS)]
    weekly = hazard.probability(rows).reshape(-1, WEEKS)
    curve[now.visited] = 1.0 - np.cumprod(1.0 - weekly, axis=1)
    return curve


def hazard_values(now: Features, limit_days: Floats | None = None) -> Floats:
    """One row per customer and coming week 0..11, customer by customer, columns `HAZARD_NAMES`."""
    limit = now.column("limit_days") if limit_days is None else limit_days
    week = np.tile(np.arange(WEEKS, dtype=np.float64), len(now.values))
    left = np.repeat(limit - now.column("silence_days"), WEEKS) - 7 * week
    return np.column_stack([np.repeat(now.values, WEEKS, axis=0), week, left])


def family_contributions(hazard: Head, now: Features) -> Floats:
    """Why the alert score is what it is: log-odds by family, shape (customers, families + 1).

    The explained quantity is the mean log-odds of the weekly hazard over weeks 3..8; the last column is the
    intercept and each row sums to it. NaN for customers never seen.
    """
    weeks = slice(*ALERT_WEEKS)
    rows = hazard_values(now).reshape(-1, WEEKS, len(HAZARD_NAMES))[now.visited, weeks]
    parts = hazard.contributions(rows.reshape(-1, len(HAZARD_NAMES)))
    mean = parts.reshape(len(rows), rows.shape[1], len(HAZARD_NAMES) + 1).mean(axis=1)
    out = np.full((len(now.values), len(FAMILIES) + 1), np.nan)
    out[now.visited] = mean @ _membership()
    return out


def alert_log_odds(hazard: Head, now: Features) -> Floats:
    """Compute the quantity that `family_contributions` explains."""
    odds = hazard.log_odds(hazard_values(now)).reshape(-1, WEEKS)
    mean: Floats = odds[:, slice(*ALERT_WEEKS)].mean(axis=1)
    return mean


def _membership() -> Floats:
    """Shape (columns + intercept, families + intercept): 1 where the column belongs to the family."""
    table = np.zeros((len(HAZARD_NAMES) + 1, len(FAMILIES) + 1))
    for row, name in enumerate(HAZARD_NAMES):
        table[row, FAMILIES.index(_FAMILY_OF[name])] = 1.0
    table[-1, -1] = 1.0
    return table
