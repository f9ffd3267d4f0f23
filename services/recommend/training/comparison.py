"""Owns comparing a new version's rankers with those in use: the same customers, baskets and knowledge for both."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import structlog

from services.recommend.assortment import Assortment
from services.recommend.gate import GAIN, IN_USE
from services.recommend.generators.switches import EVERYTHING, Switches
from services.recommend.model import Model
from services.recommend.ranking.rankers import Rankers
from services.recommend.training.dataset import Dataset
from services.recommend.training.holdout import COVERAGE, GATE_METRIC, SCORE_MS, Held, holdout, metric_of
from services.recommend.training.in_basket import Judged, World, exam_of
from shared.registry import Metric

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Figures:
    """What a version is stored with: figures over all customers, and by how much they buy."""

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, Metric]] = field(default_factory=dict)

    def with_metrics(self, more: Mapping[str, Metric]) -> "Figures":
        return replace(self, metrics={**self.metrics, **more})


def compared(  # noqa: PLR0913, PLR0917 (what is judged, and against what)
    dataset: Dataset,
    assortment: Assortment,
    rankers: Rankers,
    in_use: Model | None,
    cut: float,
    switches: Switches = EVERYTHING,
) -> Figures:
    """Return the new rankers' figures on what was bought after `cut`, and where possible what they are against.

    Rankers in use that do not know this code's features cannot be compared: their figures are then missing.
    """
    new = holdout(dataset, assortment, rankers, cut, switches)
    found = Figures(new.metrics(len(assortment)), new.segments())
    if in_use is None or not found.metrics:
        return found
    try:
        old = holdout(dataset, assortment, in_use.rankers, cut, in_use.knowledge.switches)
    except Exception as error:  # noqa: BLE001 - whatever a model library says to other features
        log.warning("comparison.impossible", reason=str(error))
        return found
    return found.with_metrics(gains(new, old, len(assortment)))


def gains(new: Held, old: Held, product_count: int) -> dict[str, Metric]:
    """Return the paired difference with its interval, and the other figures of the version in use."""
    before = old.metrics(product_count)
    difference = np.array(new.rows[GATE_METRIC]) - np.array(old.rows[GATE_METRIC])
    return {GAIN: metric_of(difference)} | {name + IN_USE: before[name] for name in (COVERAGE, SCORE_MS)}


def in_basket_compared(world: World, in_use: Model | None) -> Judged | None:
    """Fit the ranker of open baskets and judge it, and what is in use, on baskets that it has not seen.

    None where there is nothing to learn from. What is in use stays uncompared where it knows other features.
    """
    exam = exam_of(world)
    judged = exam.passed()
    if judged is None or in_use is None:
        return judged
    try:
        (before,) = exam.places(in_use.in_basket, switches=in_use.knowledge.switches)
    except Exception as error:  # noqa: BLE001 - whatever a model library says to other features
        log.warning("comparison.impossible", ranker="in_basket", reason=str(error))
        return judged
    return replace(judged, in_use_places=before)
