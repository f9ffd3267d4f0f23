"""Owns fitting the model offline from visits, by time: no label reaches past the day of training."""

from collections.abc import Callable
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from services.churn import labels
from services.churn.features import Features, features
from services.churn.logistic import Logistic, fit_logistic
from services.churn.scorer import WEEKS, Head, Model, Trees, hazard_values
from services.churn.visits import Bools, Floats, Ints, Visits

Progress = Callable[[str], None]
Labels = Callable[[int], Bools]
Population = Callable[[Features], Bools]


@dataclass(frozen=True)
class TrainingSettings:
    """Chosen on origins before all held-out ones; small, strongly regularised trees won there."""

    spacing_days: int = 14
    warmup_days: int = 84
    rounds: int = 160
    hazard_rounds: int = 240
    learning_rate: float = 0.04
    leaves: int = 7
    rows_per_leaf_min: int = 300
    ridge: float = 30.0
    column_share: float = 0.2
    seed: int = 7
    threads: int = 1  # two threads were slower than one on a busy machine with two cores
    positives_for_trees_min: int = 200


class NotEnoughHistory(ValueError):
    """The visits are too few or too short to fit a model."""


class FeatureHistory:
    """Features of one set of visits by day, each day computed once."""

    def __init__(self, visits: Visits, *, weekday_of_day_zero: int = 6) -> None:
        self.visits = visits
        self._weekday = weekday_of_day_zero
        self._known: dict[int, Features] = {}

    def at(self, day: int) -> Features:
        if day not in self._known:
            self._known[day] = features(self.visits, day, weekday_of_day_zero=self._weekday)
        return self._known[day]


def train(
    history: FeatureHistory, end: int, settings: TrainingSettings | None = None, progress: Progress | None = None
) -> Model:
    """Fit every head from what was known before `end`. Raises NotEnoughHistory."""
    settings = settings or TrainingSettings()
    tell = progress or _silent
    lapse, lapse_challenger = fit_label(history, end, LAPSE28, settings)
    tell("lapse28 fitted")
    partial, partial_challenger = fit_label(history, end, PARTIAL56, settings)
    tell("partial56 fitted")
    hazard = fit_hazard(history, end, settings)
    tell("weekly hazard fitted")
    challengers = {"lapse28": lapse_challenger, "partial56": partial_challenger}
    return Model(hazard, lapse, partial, challengers)


@dataclass(frozen=True)
class LabelRule:
    """What is predicted, over how many days, and for whom it is learned."""

    name: str
    horizon_days: int
    happened: Callable[[Visits, int], Bools]
    population: Population


LAPSE28 = LabelRule("lapse28", 28, labels.lapse_labels, lambda now: labels.active(now.column("silence_days"), 90))
PARTIAL56 = LabelRule("partial56", 56, labels.partial_labels, lambda now: labels.regular(now.column("visits_112d")))


def origins(history: FeatureHistory, end: int, horizon_days: int, settings: TrainingSettings) -> list[int]:
    """Cut-off days whose label windows end at or before `end`, newest first.

    Raises NotEnoughHistory when there is none after the warm-up.
    """
    first = history.visits.span()[0] + settings.warmup_days
    days = list(range(end - horizon_days, first - 1, -settings.spacing_days))
    if not days:
        needed = settings.warmup_days + horizon_days
        raise NotEnoughHistory(f"training needs {needed} days of history before day {end}")
    return days


def fit_label(
    history: FeatureHistory, end: int, rule: LabelRule, settings: TrainingSettings
) -> tuple[Head, Logistic]:
    """Fit the trees of one label and their challenger, which also is the fallback on few positives."""
    values, happened = label_rows(history, end, rule, settings)
    challenger = fit_logistic(values, happened)
    return _trees_or(challenger, values, happened, settings), challenger


def label_rows(
    history: FeatureHistory, end: int, rule: LabelRule, settings: TrainingSettings
) -> tuple[Floats, Bools]:
    known = history.visits.before(end)
    values, happened = [], []
    for day in origins(history, end, rule.horizon_days, settings):
        now = history.at(day)
        chosen = rule.population(now)
        values.append(now.values[chosen])
        happened.append(rule.happened(known, day)[chosen])
    return np.concatenate(values), np.concatenate(happened)


def fit_hazard(
    history: FeatureHistory, end: int, settings: TrainingSettings, fixed_limit_days: int | None = None
) -> Head:
    """Fit the weekly hazard of the silence exceeding the limit (own, or fixed for an evaluation)."""
    values, happened = hazard_rows(history, end, settings, fixed_limit_days)
    if not happened.any():
        raise NotEnoughHistory("no customer was lost in the history; nothing to learn from")
    positives = int(happened.sum())
    if positives < settings.positives_for_trees_min:
        return fit_logistic(values, happened)
    return _fit_trees(values, happened, settings, settings.hazard_rounds)


def hazard_rows(
    history: FeatureHistory, end: int, settings: TrainingSettings, fixed_limit_days: int | None = None
) -> tuple[Floats, Bools]:
    """Lay out the person-periods and whether the silence exceeded the limit in each.

    A row for every coming week that lies before `end` and in which the customer was still at risk.
    """
    known = history.visits.before(end)
    values, happened = [], []
    for day in origins(history, end, 7, settings):
        now = history.at(day)
        limit = limits(now, fixed_limit_days)
        week = event_week(labels.days_until_certain(known, day, limit, end))
        at_risk = _at_risk(now, week, weeks=min(WEEKS, (end - day) // 7))
        rows = hazard_values(now, limit).reshape(len(week), WEEKS, -1)
        values.append(rows[at_risk].astype(np.float32))  # half the memory; far finer than any split
        happened.append((week[:, None] == np.arange(WEEKS))[at_risk])
    return np.concatenate(values), np.concatenate(happened)


def limits(now: Features, fixed_limit_days: int | None) -> Floats:
    own = now.column("limit_days")
    return own if fixed_limit_days is None else np.where(now.visited, float(fixed_limit_days), np.nan)


def event_week(days_to_certain: Ints) -> Ints:
    """Week 0.. in which the silence exceeds the limit; -1 when it already does, NEVER stays large."""
    return np.where(days_to_certain <= 0, -1, (days_to_certain - 1) // 7)


def _at_risk(now: Features, week: Ints, weeks: int) -> Bools:
    coming = np.arange(WEEKS)
    return (week[:, None] >= coming) & (coming < weeks) & now.visited[:, None]


def _trees_or(fallback: Logistic, values: Floats, happened: Bools, settings: TrainingSettings) -> Head:
    rarer = min(int(happened.sum()), int((~happened).sum()))
    if rarer < settings.positives_for_trees_min:
        return fallback
    return _fit_trees(values, happened, settings, settings.rounds)


def _fit_trees(values: Floats, happened: Bools, settings: TrainingSettings, rounds: int) -> Trees:
    parameters = {
        "objective": "binary",
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.rows_per_leaf_min,
        "lambda_l2": settings.ridge,
        "learning_rate": settings.learning_rate,
        "feature_fraction": settings.column_share,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.threads,
        "seed": settings.seed,
        "verbosity": -1,
    }
    booster = lgb.train(parameters, lgb.Dataset(values, happened.astype(np.int8)), rounds)
    return Trees(booster.model_to_string(), settings.threads)


def _silent(_: str) -> None:
    return
