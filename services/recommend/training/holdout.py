"""Owns judging a trained ranker on baskets it has not seen: the figures a version is stored and promoted with."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.generators.sized import hit_value
from services.recommend.generators.switches import EVERYTHING, Switches
from services.recommend.history import Bools, Floats, Ints
from services.recommend.ranking.candidates import mixed_candidates
from services.recommend.ranking.rankers import Rankers, ordered
from services.recommend.training.dataset import Dataset
from services.recommend.training.fitting import knowledge_at, origin_at, shoppers
from shared.registry import Metric

GATE_METRIC = "ndcg@10_min"
DRAWS = 1000
_LIST_LENGTH = 10
_DISCOUNT = 1 / np.log2(np.arange(2, _LIST_LENGTH + 2))


def holdout_metrics(
    dataset: Dataset, assortment: Assortment, rankers: Rankers, cut: float, switches: Switches = EVERYTHING
) -> dict[str, Metric]:
    """Rank for every customer as of `cut` and compare with their next basket; 95 % bootstrap intervals.

    The rankers must have been fitted on targets before `cut` only. Empty when nobody came back after it.
    """
    origin = origin_at(dataset, cut)
    knowledge = replace(knowledge_at(dataset, assortment, origin), switches=switches)
    rows: dict[str, list[float]] = {}
    for target, shopper in shoppers(dataset, knowledge, origin):
        candidates = mixed_candidates(shopper, knowledge.popularity)
        ranked, _ = ordered(candidates, rankers.scores(shopper, candidates, knowledge, -1))
        for name, value in _figures(ranked, dataset.basket(target.basket)).items():
            rows.setdefault(name, []).append(value)
    return {name: metric_of(np.array(values)) for name, values in rows.items()}


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
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return Metric(float(values.mean()), float(low), float(high))
