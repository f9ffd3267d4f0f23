"""Owns making a candidate model: fit before the newest labelled day, measure there, judge, fit on all."""

from dataclasses import asdict, dataclass
from typing import Any

from services.churn import gate, training
from services.churn.features import FEATURES_VERSION
from services.churn.labels import LABELS_VERSION
from services.churn.scorer import Model
from services.churn.training import FeatureHistory, Progress, TrainingSettings

HOLDOUT_DAYS = 56
CODE_VERSION = f"{FEATURES_VERSION}+{LABELS_VERSION}+hazard-1"


@dataclass(frozen=True)
class Candidate:
    """A model to judge.

    `model` has learned from everything before `end`; figures and verdict are of a twin that was fitted
    before the held-out 56 days, because nothing can be measured on days it has learned from.
    """

    model: Model
    end: int
    figures: dict[str, Any]
    verdict: gate.Verdict
    description: dict[str, Any]


def make_candidate(
    history: FeatureHistory,
    end: int,
    champion: Model | None = None,
    settings: TrainingSettings | None = None,
    progress: Progress | None = None,
) -> Candidate:
    """Fit, measure and judge. Raises NotEnoughHistory when the visits are too few or too short.

    A champion fitted within the last 56 days has seen the held-out days: it is then favoured, so that
    re-training too often fails safe.
    """
    settings = settings or TrainingSettings()
    day = end - HOLDOUT_DAYS
    twin = training.train(history, day, settings, progress)
    measured = gate.held_out(twin, history, day)
    verdict = gate.judge(measured, gate.held_out(champion, history, day) if champion else None)
    model = training.train(history, end, settings, progress)
    return Candidate(model, end, gate.figures(measured), verdict, _description(history, end, settings))


def _description(history: FeatureHistory, end: int, settings: TrainingSettings) -> dict[str, Any]:
    first, last = history.visits.before(end).span()
    return {
        "code_version": CODE_VERSION,
        "parameters": asdict(settings),
        "data": {
            "first_day": first,
            "last_day": last,
            "end": end,
            "held_out_from": end - HOLDOUT_DAYS,
            "customers": history.visits.customers,
            "visits": int((history.visits.day < end).sum()),
        },
    }
