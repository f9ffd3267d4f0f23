"""Owns `evaluate churn`: the serving code on held-out origins of real shopping, with baselines and intervals."""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from regulars.evaluation import churn_alerts
from regulars.evaluation.churn_data import ChurnData
from regulars.evaluation.progress import Progress
from services.churn import accuracy, labels, training
from services.churn.features import NAMES, Features
from services.churn.logistic import Logistic, fit_logistic
from services.churn.scorer import Head, loss_curve
from services.churn.visits import Bools, Floats, Ints, Visits

Report = dict[str, Any]

# Held-out origins as days before the end of the data. On the 365 days of the public data: lapse28 280, 308,
# 336; own42 252, 287, 322; partial56 252, 308; early 252, 280, 308; alerts and when frozen at 252.
BEFORE_END = {"lapse28": (85, 57, 29), "own42": (113, 78, 43), "partial56": (113, 57), "early": (113, 85, 57)}
FROZEN_BEFORE_END = 113
DAYS_MIN = 280
RFM = ("silence_days", "visits_28d", "visits_112d", "spend_28d_minor", "spend_112d_minor")
FIXED = labels.FIXED_LIMIT_DAYS
LIMIT_WEEKS = 12


@dataclass(frozen=True)
class Origin:
    """One held-out day: who is judged (customer indexes), what happened, and every model's score."""

    day: int
    customer: Ints
    happened: Bools
    scores: dict[str, Floats]


def evaluate(
    data: ChurnData,
    progress: Progress | None = None,
    rounds: int = 200,
    settings: training.TrainingSettings | None = None,
) -> Report:
    """Measure everything that `evaluate churn --json` prints, with `rounds` bootstrap draws per interval.

    Raises NotEnoughHistory for data of fewer than 280 days. Figures that the data cannot give are NaN.
    """
    started = time.monotonic()
    first, _ = data.visits.span()
    if data.end - first < DAYS_MIN:
        raise training.NotEnoughHistory(f"the evaluation needs {DAYS_MIN} days of history, found {data.end - first}")
    trial = _Trial(data, progress or _silent, rounds, settings or training.TrainingSettings())
    report = trial.report()
    report["seconds"] = round(time.monotonic() - started, 1)
    report["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return report


class _Trial:
    """All fits and figures of one data set; a fit for one origin is made once."""

    def __init__(self, data: ChurnData, progress: Progress, rounds: int, settings: training.TrainingSettings) -> None:
        self.data, self.tell, self.rounds = data, progress, rounds
        self.history = training.FeatureHistory(data.visits, weekday_of_day_zero=data.weekday_of_day_zero)
        self.settings = settings
        self._hazards: dict[tuple[int, int | None], Head] = {}
        self._labelled: dict[tuple[str, int], tuple[Head, Logistic, Logistic]] = {}

    def report(self) -> Report:
        by_label = {name: self._label_origins(name) for name in ("lapse28", "own42", "partial56")}
        early = {limit: self._early_origins(limit) for limit in (FIXED, None)}
        self.tell("simulating weekly warnings")
        alerts = self._alerts()
        baselines = ("recency", "frequency", "churn_factor", "logit_rfm", "logit_all")
        return {
            "data": self.data.name,
            "customers": self.data.visits.customers,
            "visits": len(self.data.visits.day),
            "origins": {name: [origin.day for origin in rows] for name, rows in by_label.items()},
            "labels": {name: self._figures(rows, "model") for name, rows in by_label.items()},
            "early": {
                **self._early_figures(early[FIXED], "model"),
                "limit": "fixed",
                "own_limit": self._early_figures(early[None], "model"),
            },
            "alerts": alerts.pop("model"),
            "when": {**self._when(FIXED), "limit": "fixed", "own_limit": self._when(None)},
            "value": self._value(by_label["partial56"]),
            "baselines": {name: self._baseline(name, by_label, early, alerts.get(name)) for name in baselines},
        }

    # Labels.

    def _label_origins(self, name: str) -> list[Origin]:
        return [self._label_origin(name, self.data.end - back) for back in BEFORE_END[name]]

    def _label_origin(self, name: str, day: int) -> Origin:
        self.tell(f"{name}: training before day {day}")
        now = self.history.at(day)
        rule = self._rules[name]
        chosen = np.flatnonzero(_judged(name, now))
        happened = rule.happened(self.data.visits, day)[chosen]
        head, challenger, rfm = self._label_fit(name, day)
        scores = self._rankings(now)
        scores["logit_rfm"] = rfm.probability(_rfm(now.values))
        scores["logit_all"] = challenger.probability(now.values)
        # own42 is read from the served curve, at its sixth week; the other labels have their own head.
        curve = name == "own42"
        scores["model"] = self._curve(day, None)[:, 5] if curve else head.probability(now.values)
        return Origin(day, chosen, happened, {key: value[chosen] for key, value in scores.items()})

    def _label_fit(self, name: str, day: int) -> tuple[Head, Logistic, Logistic]:
        if (name, day) not in self._labelled:
            rule = self._rules[name]
            values, happened = training.label_rows(self.history, day, rule, self.settings)
            head, challenger = (
                training.fit_label(self.history, day, rule, self.settings)
                if name in {"lapse28", "partial56"}
                else (fit_logistic(values, happened),) * 2
            )
            self._labelled[name, day] = head, challenger, fit_logistic(_rfm(values), happened)
        return self._labelled[name, day]

    @cached_property
    def _rules(self) -> dict[str, training.LabelRule]:
        own = training.LabelRule("own42", 42, self._own42, lambda now: _judged("own42", now))
        fixed, limit = (
            training.LabelRule("early", 56, self._early(days), lambda now: _regular_and_open(now, days))  # noqa: B023
            for days in (FIXED, None)
        )
        return {
            "lapse28": training.LAPSE28,
            "partial56": training.PARTIAL56,
            "own42": own,
            "early_fixed": fixed,
            "early_own": limit,
        }

    def _own42(self, visits: Visits, day: int) -> Bools:
        limit = self.history.at(day).column("limit_days")
        return labels.own_label(labels.days_until_certain(visits, day, limit, day + 42))

    def _early(self, limit_days: int | None) -> Callable[[Any, int], Bools]:
        def happened(visits: Visits, day: int) -> Bools:
            limit = training.limits(self.history.at(day), limit_days)
            return labels.early_labels(labels.days_until_certain(visits, day, limit, day + 56))

        return happened

    @staticmethod
    def _rankings(now: Features) -> dict[str, Floats]:
        return {
            "recency": now.column("silence_days"),
            "frequency": -now.column("visits_112d"),
            "churn_factor": np.nan_to_num(now.column("silence_to_median_gap")),
        }

    def _figures(self, origins: Sequence[Origin], name: str) -> Report:
        probability = name in {"model", "logit_rfm", "logit_all"}
        return {
            "auc": _mean(origins, name, accuracy.auc),
            "ap": _mean(origins, name, accuracy.average_precision),
            "lift10": _mean(origins, name, accuracy.lift_at),
            "brier": _mean(origins, name, accuracy.brier) if probability else None,
            "ece": _mean(origins, name, accuracy.calibration_error) if probability else None,
            "base": float(np.mean([origin.happened.mean() for origin in origins])),
            "intervals": {
                "auc": self._interval(origins, name, accuracy.auc),
                "ap": self._interval(origins, name, accuracy.average_precision),
            },
            "auc_by_origin": {str(o.day): accuracy.auc(o.happened, o.scores[name]) for o in origins},
        }

    def _interval(self, origins: Sequence[Origin], name: str, figure: accuracy.Figure) -> list[float]:
        def drawn(rows: Sequence[Ints]) -> float:
            parts = zip(origins, rows, strict=True)
            return float(np.mean([figure(o.happened[r], o.scores[name][r]) for o, r in parts]))

        return list(accuracy.interval([o.customer for o in origins], drawn, rounds=self.rounds))

    def _difference(self, origins: Sequence[Origin], name: str) -> Report:
        """Paired: the model's AUC less the baseline's, with its 95 % interval."""

        def drawn(rows: Sequence[Ints]) -> float:
            return float(np.mean([_auc_gain(o, name, r) for o, r in zip(origins, rows, strict=True)]))

        everyone = [np.arange(len(origin.customer)) for origin in origins]
        low, high = accuracy.interval([o.customer for o in origins], drawn, rounds=self.rounds)
        return {"auc": drawn(everyone), "auc_interval": [low, high]}

    # The curve: early window, when, warnings.

    def _hazard(self, day: int, limit_days: int | None) -> Head:
        if (day, limit_days) not in self._hazards:
            self.tell(f"weekly hazard ({'own' if limit_days is None else 'fixed'} limit) before day {day}")
            self._hazards[day, limit_days] = training.fit_hazard(self.history, day, self.settings, limit_days)
        return self._hazards[day, limit_days]

    def _curve(self, day: int, limit_days: int | None) -> Floats:
        now = self.history.at(day)
        return loss_curve(self._hazard(day, limit_days), now, training.limits(now, limit_days))

    def _early_origins(self, limit_days: int | None) -> list[Origin]:
        return [self._early_origin(self.data.end - back, limit_days) for back in BEFORE_END["early"]]

    def _early_origin(self, day: int, limit_days: int | None) -> Origin:
        now = self.history.at(day)
        name = "early_own" if limit_days is None else "early_fixed"
        chosen = np.flatnonzero(_regular_and_open(now, limit_days))
        curve = self._curve(day, limit_days)
        _, challenger, rfm = self._label_fit(name, day)
        scores = self._rankings(now)
        scores["model"] = curve[:, 7] - curve[:, 1]
        scores["logit_rfm"] = rfm.probability(_rfm(now.values))
        scores["logit_all"] = challenger.probability(now.values)
        happened = self._rules[name].happened(self.data.visits, day)[chosen]
        return Origin(day, chosen, happened, {key: value[chosen] for key, value in scores.items()})

    def _early_figures(self, origins: Sequence[Origin], name: str) -> Report:
        at = {share: partial(accuracy.precision_at, share=share / 100) for share in (3, 5, 10)}
        return {
            "auc": _mean(origins, name, accuracy.auc),
            "ap": _mean(origins, name, accuracy.average_precision),
            **{f"precision@{share}": _mean(origins, name, figure) for share, figure in at.items()},
            "base": float(np.mean([origin.happened.mean() for origin in origins])),
            "intervals": {
                "auc": self._interval(origins, name, accuracy.auc),
                "precision@5": self._interval(origins, name, at[5]),
            },
        }

    def _alerts(self) -> dict[str, Report]:
        frozen = self.data.end - FROZEN_BEFORE_END
        weeks = [self._week(frozen + 7 * week) for week in range(churn_alerts.WEEKS)]
        limit = training.limits(self.history.at(frozen), FIXED)
        losses = churn_alerts.losses_to_foresee(self.data.visits, weeks, limit, self.data.end)
        return {
            name: churn_alerts.figures(
                churn_alerts.simulate(weeks, losses, score), self.data.end, intervals=name == "model"
            )
            for name, score in self._alert_scores(frozen).items()
        }

    def _week(self, day: int) -> churn_alerts.Week:
        now = self.history.at(day)
        return churn_alerts.Week(day, now, _regular_and_open(now, FIXED))

    def _alert_scores(self, frozen: int) -> dict[str, Callable[[Features], Floats]]:
        hazard = self._hazard(frozen, FIXED)
        _, challenger, rfm = self._label_fit("early_fixed", frozen)

        def model(now: Features) -> Floats:
            curve = loss_curve(hazard, now, training.limits(now, FIXED))
            return curve[:, 7] - curve[:, 1]

        return {
            "model": model,
            "recency": lambda now: self._rankings(now)["recency"],
            "frequency": lambda now: self._rankings(now)["frequency"],
            "churn_factor": lambda now: self._rankings(now)["churn_factor"],
            "logit_rfm": lambda now: rfm.probability(_rfm(now.values)),
            "logit_all": lambda now: challenger.probability(now.values),
        }

    def _when(self, limit_days: int | None) -> Report:
        day = self.data.end - FROZEN_BEFORE_END
        now = self.history.at(day)
        curve = self._curve(day, limit_days)
        limit = training.limits(now, limit_days)
        until = labels.days_until_certain(self.data.visits, day, limit, self.data.end)
        chosen = _regular_and_open(now, limit_days)
        week = np.minimum(training.event_week(until)[chosen] + 1, LIMIT_WEEKS + 1).astype(np.float64)
        happened = week <= LIMIT_WEEKS
        return when_figures(week, happened, curve[chosen])

    # Value.

    def _value(self, origins: Sequence[Origin]) -> Report:
        """Share of the spend about to be lost that the top tenth of regular customers holds.

        Lost: what the pace of the last 112 days would have brought in 56 days, less what was spent.
        """
        parts = [self._lost_and_pace(origin) for origin in origins]
        orders: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
            "lost_spend_top10": lambda risk, pace, _: risk * pace,
            "by_risk": lambda risk, _pace, _: risk,
            "by_value": lambda _risk, pace, _: pace,
            "by_risk_root_value": lambda risk, pace, _: risk * np.sqrt(pace),
            "perfect": lambda _risk, _pace, lost: lost,
        }
        risks = [origin.scores["model"] for origin in origins]
        return {
            name: float(
                np.mean(
                    [_held(order(risk, pace, lost), lost) for risk, (lost, pace) in zip(risks, parts, strict=True)]
                )
            )
            for name, order in orders.items()
        }

    def _lost_and_pace(self, origin: Origin) -> tuple[Floats, Floats]:
        day = origin.day
        pace = labels.spend_between(self.data.visits, day - 112, day)[origin.customer] / 112
        spent = labels.spend_between(self.data.visits, day, day + 56)[origin.customer]
        return np.maximum(pace * 56 - spent, 0.0), pace

    def _baseline(
        self,
        name: str,
        by_label: dict[str, list[Origin]],
        early: dict[int | None, list[Origin]],
        alerts: Report | None,
    ) -> Report:
        self.tell(f"baseline {name}")
        return {
            "labels": {
                label: self._figures(rows, name) | {"model_minus_baseline": self._difference(rows, name)}
                for label, rows in by_label.items()
            },
            "early": {
                **self._early_figures(early[FIXED], name),
                "limit": "fixed",
                "own_limit": self._early_figures(early[None], name),
            },
            "alerts": alerts,
        }


def when_figures(week: Floats, happened: Bools, curve: Floats) -> Report:
    """Errors of the predicted time; `week` is 13 for those not lost within twelve weeks."""
    mass = np.diff(curve, axis=1, prepend=0.0)
    expected = mass @ np.arange(1, LIMIT_WEEKS + 1) / mass.sum(axis=1)
    return {
        "ibs": accuracy.integrated_brier(week, happened, curve),
        "c_index": accuracy.concordance(week, happened, curve[:, -1]),
        "week_error": float(np.abs(expected - week)[happened].mean()),
        "auc_by_week": {str(k): accuracy.auc(week <= k, curve[:, k - 1]) for k in (4, 8, 12)},
        "expected_share": {str(k): float(curve[:, k - 1].mean()) for k in (4, 8, 12)},
        "observed_share": {str(k): float((week <= k).mean()) for k in (4, 8, 12)},
    }


def _judged(name: str, now: Features) -> Bools:
    """Select the population in which a label is judged."""
    silence = now.column("silence_days")
    if name == "lapse28":
        return labels.active(silence, 28)
    if name == "partial56":
        return labels.regular(now.column("visits_112d"))
    return labels.on_rhythm(now.gaps, silence, now.column("gap_p90_days"))


def _regular_and_open(now: Features, limit_days: int | None) -> Bools:
    """Regular customers whose silence is still within the limit."""
    limit = np.ceil(training.limits(now, limit_days))
    return labels.regular(now.column("visits_112d")) & (now.column("silence_days") <= limit)


def _rfm(values: Floats) -> Floats:
    return values[:, [NAMES.index(name) for name in RFM]]


def _mean(origins: Sequence[Origin], name: str, figure: accuracy.Figure) -> float:
    return float(np.mean([figure(origin.happened, origin.scores[name]) for origin in origins]))


def _auc_gain(origin: Origin, name: str, rows: Ints) -> float:
    happened = origin.happened[rows]
    model = accuracy.auc(happened, origin.scores["model"][rows])
    return model - accuracy.auc(happened, origin.scores[name][rows])


def _held(order: Floats, lost: Floats) -> float:
    top = np.argsort(-order, kind="stable")[: max(1, round(0.1 * len(order)))]
    return float(lost[top].sum() / lost.sum())


def _silent(_: str) -> None:
    return
