"""Owns whether a trained version may come into use: its figures, its data window, and whether it can score at all."""

import math
from collections.abc import Iterator
from datetime import datetime

import numpy as np

from services.recommend.model import Model
from services.recommend.ranking.features import FEATURE_NAMES, STORE_NAMES
from services.recommend.ranking.in_basket import BASKET_FEATURE_NAMES
from services.recommend.training.holdout import COVERAGE, GATE_METRIC, SCORE_MS
from services.recommend.training.in_basket import BASKET_GAIN, BASKET_METRIC
from shared.registry import Manifest, Metric, Verdict, not_worse

GAIN = f"{GATE_METRIC}_gain"
"""The candidate's figure less that of the version in use, on the same customers and baskets."""
COMPARED_WITH = "compared_with"
"""The parameter that names the version which the gain is against."""
IN_USE = "_in_use"
"""Ends the name of a figure that the version in use had in the comparison."""
TOLERANCE = 0.01
BASKET_TOLERANCE = 0.05
"""A hit or none for each basket is a coarse figure: what falls by less than this must also be proven to fall."""
COVERAGE_TOLERANCE = 0.05
LATENCY_TOLERANCE, LATENCY_TOLERANCE_MS = 0.25, 0.5
"""Processor time is measured on a machine that does other things too: a rise must exceed both."""


def judge(candidate: Manifest, in_use: Manifest | None) -> Verdict:
    """Return whether a version may replace the one in use, and why. The first sound one passes."""
    faults = list(manifest_faults(candidate))
    if faults:
        return Verdict(passed=False, reason="; ".join(faults))
    if in_use is None:
        return not_worse(GATE_METRIC, TOLERANCE)(candidate, None)
    if _moment(candidate.window_until) < _moment(in_use.window_until):
        text = f"it knows receipts up to {candidate.window_until:.10} only, the one in use up to"
        return Verdict(passed=False, reason=f"{text} {in_use.window_until:.10}; to go back, roll back")
    verdict, fault = _next_basket(candidate, in_use), _basket_fault(candidate, in_use)
    return verdict if fault is None else Verdict(passed=False, reason=f"{verdict.reason}; {fault}")


def _next_basket(candidate: Manifest, in_use: Manifest) -> Verdict:
    if _was_compared(candidate, in_use) and GAIN in candidate.metrics:
        return _paired(candidate)
    verdict = not_worse(GATE_METRIC, TOLERANCE)(candidate, in_use)
    return Verdict(verdict.passed, f"{verdict.reason}, each judged on its own weeks")


def _was_compared(candidate: Manifest, in_use: Manifest) -> bool:
    return bool(candidate.parameters.get(COMPARED_WITH) == in_use.version)


def manifest_faults(manifest: Manifest) -> Iterator[str]:
    """Yield what makes a version's figures unbelievable."""
    if GATE_METRIC not in manifest.metrics:
        yield f"it has no figure {GATE_METRIC}"
    for name, metric in manifest.metrics.items():
        if not all(map(math.isfinite, (metric.value, metric.low, metric.high))):
            yield f"{name} is not a number"
        elif not metric.low <= metric.value <= metric.high:
            yield f"{name} {metric.value:.4f} lies outside of its interval"
    found = manifest.metrics.get(GATE_METRIC)
    if found is not None and not 0 <= found.value <= 1:
        yield f"{GATE_METRIC} {found.value:.4f} is no share"
    if _moment(manifest.window_until) < _moment(manifest.window_from):
        yield "its data window ends before it begins"


def model_faults(model: Model) -> Iterator[str]:
    """Yield why a version that was read cannot rank: of other features than this code's, or scores that are none."""
    rankers = (
        ("strict", model.rankers.strict, len(FEATURE_NAMES)),
        ("in_store", model.rankers.in_store, len(FEATURE_NAMES) + len(STORE_NAMES)),
        ("in_basket", model.in_basket.ranker, len(BASKET_FEATURE_NAMES)),
    )
    for name, ranker, width in rankers:
        if ranker is None:
            continue
        try:
            scores = ranker.score(_probe(width))
        except Exception as error:  # noqa: BLE001 - whatever a model library says to a file that is not its own
            yield f"the ranker {name} is of other features than this code: {error}"
            continue
        if not np.isfinite(scores).all():
            yield f"the ranker {name} gives scores that are no numbers"
    if not np.isfinite(model.items.vectors).all():
        yield "vectors of products hold what is no number"


def _probe(width: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Return rows of all kinds: nothing known, usual, and far out."""
    draw = np.random.default_rng(1).standard_normal((14, width)) * 10
    return np.concatenate((np.zeros((1, width)), np.full((1, width), 1e6), draw)).astype(np.float32)


def _paired(candidate: Manifest) -> Verdict:
    """Judge by the comparison that was made in training: the same customers, baskets and knowledge for both."""
    figures = candidate.metrics
    gain, found = figures[GAIN], figures[GATE_METRIC]
    before = found.value - gain.value
    text = f"{GATE_METRIC} {found.value:.4f} against {before:.4f} on the same baskets ({_signed(gain)})"
    if gain.value < -TOLERANCE * before:
        return Verdict(passed=False, reason=f"{text}: it may fall by {TOLERANCE:.0%} at most")
    worse = [fault for fault in (_coverage_fault(candidate), _latency_fault(candidate)) if fault]
    return Verdict(passed=not worse, reason="; ".join([text, *worse]))


def _basket_fault(candidate: Manifest, in_use: Manifest) -> str | None:
    """Return why what ranks for open baskets is worse: by more than chance, or by much."""
    found, before = (each.metrics.get(BASKET_METRIC) for each in (candidate, in_use))
    if found is None:
        return None if before is None else f"it has no figure {BASKET_METRIC}, which the one in use has"
    gain = candidate.metrics.get(BASKET_GAIN) if _was_compared(candidate, in_use) else None
    if gain is not None:
        was = found.value - gain.value
        is_worse = gain.value < -BASKET_TOLERANCE * was or (gain.high < 0 and gain.value < -TOLERANCE * was)
        text = f"{BASKET_METRIC} {found.value:.4f} against {was:.4f} on the same baskets ({_signed(gain)})"
        return f"{text}: open baskets are completed worse" if is_worse else None
    if before is None or found.value >= before.value * (1 - BASKET_TOLERANCE):
        return None
    return f"{BASKET_METRIC} {found.value:.4f} against {before.value:.4f}, each judged on its own weeks"


def _signed(metric: Metric) -> str:
    return f"{metric.value:+.4f}, {metric.low:+.4f} to {metric.high:+.4f}"


def _coverage_fault(candidate: Manifest) -> str | None:
    now, before = candidate.metrics.get(COVERAGE), candidate.metrics.get(COVERAGE + IN_USE)
    if now is None or before is None or now.value >= before.value * (1 - COVERAGE_TOLERANCE):
        return None
    return f"{COVERAGE} {now.value:.3f} against {before.value:.3f}: fewer products are ever shown"


def _latency_fault(candidate: Manifest) -> str | None:
    now, before = candidate.metrics.get(SCORE_MS), candidate.metrics.get(SCORE_MS + IN_USE)
    if now is None or before is None:
        return None
    most = max(before.value * (1 + LATENCY_TOLERANCE), before.value + LATENCY_TOLERANCE_MS)
    return f"{SCORE_MS} {now.value:.2f} against {before.value:.2f}: slower" if now.value > most else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
