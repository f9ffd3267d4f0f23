"""Owns comparing a new version's rankers with those in use: the same customers, baskets and knowledge for both."""

import numpy as np
import structlog

from services.recommend.assortment import Assortment
from services.recommend.gate import GAIN, IN_USE
from services.recommend.generators.switches import EVERYTHING, Switches
from services.recommend.model import Model
from services.recommend.ranking.rankers import Rankers
from services.recommend.training.dataset import Dataset
from services.recommend.training.holdout import COVERAGE, GATE_METRIC, SCORE_MS, Held, holdout, metric_of
from shared.registry import Metric

log = structlog.get_logger()


def compared(  # noqa: PLR0913, PLR0917 (what is judged, and against what)
    dataset: Dataset,
    assortment: Assortment,
    rankers: Rankers,
    in_use: Model | None,
    cut: float,
    switches: Switches = EVERYTHING,
) -> dict[str, Metric]:
    """Return the new rankers' figures on what was bought after `cut`, and where possible what they are against.

    Rankers in use that do not know this code's features cannot be compared: their figures are then missing.
    """
    new = holdout(dataset, assortment, rankers, cut, switches)
    found = new.metrics(len(assortment))
    if in_use is None or not found:
        return found
    try:
        old = holdout(dataset, assortment, in_use.rankers, cut, in_use.knowledge.switches)
    except Exception as error:  # noqa: BLE001 - whatever a model library says to other features
        log.warning("comparison.impossible", reason=str(error))
        return found
    return found | gains(new, old, len(assortment))


def gains(new: Held, old: Held, product_count: int) -> dict[str, Metric]:
    """Return the paired difference with its interval, and the other figures of the version in use."""
    before = old.metrics(product_count)
    difference = np.array(new.rows[GATE_METRIC]) - np.array(old.rows[GATE_METRIC])
    return {GAIN: metric_of(difference)} | {name + IN_USE: before[name] for name in (COVERAGE, SCORE_MS)}
