"""Owns judging a trained ranker on baskets it has not seen: the figures a version is stored and promoted with."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.generators.sized import hit_value
from services.recommend.generators.switches import EVERYTHING, Switches
from services.recommend.history import Bools, Floats, Ints
from services.recommend.ranking.candidates import candidates_of
from services.recommend.ranking.features import prepared
from services.recommend.ranking.rankers import Rankers, ordered
from services.recommend.training.dataset import Dataset
from services.recommend.training.origins import knowledge_at, origin_at, shoppers
from shared.registry import Metric

GATE_METRIC = "ndcg@10_min"
COVERAGE = "coverage@10"
SCORE_MS = "score_ms"
SEGMENTS = ("light", "middle", "heavy")
DRAWS = 1000
_LIST_LENGTH = 10
_DISCOUNT = 1 / np.log2(np.arange(2, _LIST_LENGTH + 2))


@dataclass
class Held:
    """What came of ranking: figures and earlier baskets by customer, products shown, processor time in all."""

    rows: dict[str, list[float]] = field(default_factory=dict)
    baskets: list[int] = field(default_factory=list)
    shown: set[int] = field(default_factory=set)
    seconds: float = 0.0

    def metrics(self, product_count: int) -> dict[str, Metric]:
        """Return the figures with 95 % bootstrap intervals over customers; empty when there were none."""
        if not self.rows:
            return {}
        lists = len(self.rows[GATE_METRIC])
        coverage, took_ms = len(self.shown) / product_count, 1000 * self.seconds / lists
        found = {name: metric_of(np.array(values)) for name, values in self.rows.items()}
        return found | {
            COVERAGE: Metric(coverage, coverage, coverage),
            SCORE_MS: Metric(took_ms, took_ms, took_ms),
        }

    def segments(self) -> dict[str, dict[str, Metric]]:
        """Return the figures of the thirds of customers with the fewest baskets so far, with more, and with most."""
        order = np.argsort(np.array(self.baskets, np.int64), kind="stable")
        thirds = zip(SEGMENTS, np.array_split(order, len(SEGMENTS)), strict=True)
        return {
            name: {figure: metric_of(np.array(values)[third]) for figure, values in self.rows.items()}
            for name, third in thirds
            if third.size
        }


def holdout(
    dataset: Dataset, assortment: Assortment, rankers: Rankers, cut: float, switches: Switches = EVERYTHING
) -> Held:
    """Rank for every customer as of `cut` and compare with their next basket.

    The rankers must have been fitted on targets before `cut` only. Empty when nobody came back after it.
    """
    origin = origin_at(dataset, cut)
    knowledge = replace(knowledge_at(dataset, assortment, origin), switches=switches)
    held = Held()
    for target, shopper in shoppers(dataset, knowledge, origin):
        started = time.thread_time()
        visit = prepared(shopper, candidates_of(shopper, knowledge.popularity), knowledge)
        ranked, _ = ordered(visit.candidates, rankers.scores(visit, target.now, -1))
        held.seconds += time.thread_time() - started
        for name, value in _figures(ranked, dataset.basket(target.basket)).items():
            held.rows.setdefault(name, []).append(value)
        held.baskets.append(shopper.history.basket_count)
        held.shown.update(ranked[:_LIST_LENGTH].tolist())
    return held


def _figures(ranked: Ints, target: Ints) -> Mapping[str, float]:
    hits = np.isin(ranked[:_LIST_LENGTH], target)
    gain = float((hits * _DISCOUNT[: hits.size]).sum())
    ideal = float(_DISCOUNT[: min(target.size, _LIST_LENGTH)].sum())
    full = float(hit_value(np.array([target.size]))[0])
    return {"recall@10": hits.sum() / target.size, "ndcg@10_full": gain * full, GATE_METRIC: gain / ideal}


def metric_of(values: Floats | Bools) -> Metric:
    """Return the mean with its 95 % bootstrap interval; nothing of nothing."""
    if not values.size:
        return Metric(0.0, 0.0, 0.0)
    draws = np.random.default_rng(7).integers(0, values.size, (DRAWS, values.size))
    # The same customers are drawn for every figure of as many customers, so that differences are paired.
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return Metric(float(values.mean()), float(low), float(high))
