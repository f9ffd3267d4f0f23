"""Owns the gate: the figures of a model on held-out customers, and whether it may replace the one in use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.churn import accuracy, labels
from services.churn.domain import value_tiers
from services.churn.scorer import Model, score
from services.churn.training import FeatureHistory
from services.churn.visits import Bools, Floats, Ints

ECE_MAX = 0.03
SLICE_AUC_LOSS_MAX = 0.03
SLICE_EVENTS_MIN = 30
ROUNDS = 200
LABELS = ("lapse28", "partial56", "lost8w")


@dataclass(frozen=True)
class HeldOut:
    """One label's outcome and one model's probability for the same customers in the same order.

    `tier` is the value tier, `simple` the ranking by silence alone that any model has to beat.
    """

    customer: Ints
    happened: Bools
    probability: Floats
    tier: Ints
    simple: Floats


@dataclass(frozen=True)
class Verdict:
    passed: bool
    failures: tuple[str, ...]


def held_out(model: Model, history: FeatureHistory, day: int) -> dict[str, HeldOut]:
    """Score `day` and look at the 56 days after it; the model must have been fitted before `day`."""
    now = history.at(day)
    scores = score(model, now)
    limit = now.column("limit_days")
    lost = labels.days_until_certain(history.visits, day, limit, day + 56)
    silence = now.column("silence_days")
    regular = labels.regular(now.column("visits_112d"))
    outcomes = {
        "lapse28": (
            labels.lapse_labels(history.visits, day),
            scores.lapse28,
            labels.active(silence, 28),
        ),
        "partial56": (labels.partial_labels(history.visits, day), scores.partial56, regular),
        "lost8w": (lost <= 56, scores.lost_within(8), regular & (lost > 0)),
    }
    value = now.column("spend_112d_minor")
    return {
        name: _of(happened, probability, np.flatnonzero(who), value, silence)
        for name, (happened, probability, who) in outcomes.items()
    }


def _of(happened: Bools, probability: Floats, who: Ints, value: Floats, silence: Floats) -> HeldOut:
    return HeldOut(who, happened[who], probability[who], value_tiers(value[who]), silence[who])


def figures(parts: dict[str, HeldOut]) -> dict[str, Any]:
    """AUC, AP, Brier, ECE per label with 95 % intervals, and AUC per value tier."""
    return {name: _figures(part) for name, part in parts.items()}


def _figures(part: HeldOut) -> dict[str, Any]:
    happened, probability = part.happened, part.probability
    return {
        "rows": len(happened),
        "base": float(happened.mean()) if len(happened) else None,
        "auc": accuracy.auc(happened, probability),
        "auc_interval": _interval(part, accuracy.auc),
        "ap": accuracy.average_precision(happened, probability),
        "brier": accuracy.brier(happened, probability),
        "brier_interval": _interval(part, accuracy.brier),
        "ece": accuracy.calibration_error(happened, probability),
        "auc_by_value_tier": [_slice_auc(part, tier) for tier in range(3)],
    }


def _interval(part: HeldOut, figure: accuracy.Figure) -> list[float]:
    def drawn(rows: Sequence[Ints]) -> float:
        return figure(part.happened[rows[0]], part.probability[rows[0]])

    return list(accuracy.interval([part.customer], drawn, rounds=ROUNDS))


def judge(candidate: dict[str, HeldOut], champion: dict[str, HeldOut] | None) -> Verdict:
    """Compare on the same held-out rows; without a champion the candidate must beat the silence rule.

    Fails when a figure is worse beyond a paired bootstrap interval, when the calibration error is above
    .03 and above what chance allows for so few rows, or when a value tier's AUC falls by more than .03.
    """
    failures: list[str] = []
    for name, part in candidate.items():
        failures += _calibration(name, part)
        failures += _against_rule(name, part) if champion is None else _against(name, part, champion[name])
    return Verdict(not failures, tuple(failures))


def _calibration(name: str, part: HeldOut) -> list[str]:
    ece = accuracy.calibration_error(part.happened, part.probability)
    allowed = max(ECE_MAX, _chance_ece(part.probability))
    return [f"{name}: calibration error {ece:.3f} above {allowed:.3f}"] if ece > allowed else []


def _chance_ece(probability: Floats, rounds: int = 100, seed: int = 7) -> float:
    """Take the 95th percentile of the calibration error if the probabilities were exactly right."""
    rng = np.random.default_rng(seed)
    draws = rng.random((rounds, len(probability))) < probability
    return float(np.quantile([accuracy.calibration_error(draw, probability) for draw in draws], 0.95))


def _against_rule(name: str, part: HeldOut) -> list[str]:
    model = accuracy.auc(part.happened, part.probability)
    rule = accuracy.auc(part.happened, part.simple)
    if model > rule:  # false also when a class is missing and both are NaN
        return []
    return [f"{name}: AUC {model:.3f} does not beat the silence rule's {rule:.3f}"]


def _against(name: str, new: HeldOut, old: HeldOut) -> list[str]:
    failures = []
    if _worse(new, old, accuracy.auc, higher_is_better=True):
        failures.append(f"{name}: AUC is worse than the model in use, beyond the 95 % interval")
    if _worse(new, old, accuracy.brier, higher_is_better=False):
        failures.append(f"{name}: Brier score is worse than the model in use, beyond the 95 % interval")
    for tier in range(3):
        before, after = _slice_auc(old, tier), _slice_auc(new, tier)
        if before is not None and after is not None and after < before - SLICE_AUC_LOSS_MAX:
            failures.append(f"{name}: AUC of value tier {tier} falls from {before:.3f} to {after:.3f}")
    return failures


def _worse(new: HeldOut, old: HeldOut, figure: accuracy.Figure, *, higher_is_better: bool) -> bool:
    sign = 1.0 if higher_is_better else -1.0

    def gain(rows: Sequence[Ints]) -> float:
        row = rows[0]
        happened = new.happened[row]
        return sign * (figure(happened, new.probability[row]) - figure(happened, old.probability[row]))

    _, high = accuracy.interval([new.customer], gain, rounds=ROUNDS)
    return high < 0


def _slice_auc(part: HeldOut, tier: int) -> float | None:
    """None where too few events make the figure chance."""
    inside = part.tier == tier
    if int(part.happened[inside].sum()) < SLICE_EVENTS_MIN:
        return None
    return accuracy.auc(part.happened[inside], part.probability[inside])
