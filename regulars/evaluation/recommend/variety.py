"""Owns what lists look like beside being right: types within one, how much of the catalogue, how new; by level."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regulars.evaluation.ranking_metrics import (
    METRICS,
    Owners,
    Values,
    figures,
    means,
    paired_differences,
    relative_changes,
)
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.lists import LIST_LENGTH, Asked
from services.recommend.domain.diversity import Diversity
from services.recommend.history import Floats, Ints, Matrix
from services.recommend.ranking.spreading import diversified

TOP = 10
COSTS = ("recall@10", "ndcg@10_min")
LOOKS = ("different_types@10", "types@10")
"""Of the first ten: the share of pairs that are of different product types, and how many types there are."""


def variety(data: Evaluated, ranked: Sequence[Ints], popularity: Floats) -> dict[str, float]:
    """Return the figures of the top ten.

    `different_types@10` is the share of pairs within a list that are of different product types (its intra-list
    difference), `types@10` how many types there are, `catalogue_coverage@10` the share of products on any list,
    `novelty@10` the mean of -log2 of a product's share of the purchases.
    """
    top = [products[:TOP] for products in ranked]
    types = data.assortment.level("product_type")
    everything = np.concatenate([np.empty(0, np.int64), *top])
    return {
        "catalogue_coverage@10": np.unique(everything).size / max(len(data.dataset.product_ids), 1),
        **dict(zip(LOOKS, np.mean([_looks(types[products]) for products in top], axis=0).tolist(), strict=True)),
        "novelty@10": _novelty(everything, popularity),
    }


def levels(data: Evaluated, asked: Sequence[Asked], vectors: Matrix) -> dict[str, dict[str, Any]]:
    """Return for every diversity level the figures of the lists as serving spreads them, and what that costs.

    `differences` are paired with `off`; `changes` say by which share a level is above it, with 95 % intervals over
    customers, for LOOKS beside recall and NDCG.
    """
    owners = np.array([each.customer for each in asked], np.int64)
    types = data.assortment.level("product_type")
    lists = {level: [spread_over(types, vectors, each.ranked, level) for each in asked] for level in Diversity}
    found = {level: _Level.of(asked, ranked, types) for level, ranked in lists.items()}
    return {level.value: each.report(found[Diversity.OFF], owners) for level, each in found.items()}


def spread_over(types: Ints, vectors: Matrix, ranked: Ints, level: Diversity) -> Ints:
    """Return LIST_LENGTH of the ranked products, spread by the function that serves, as it is called there."""
    return diversified(ranked, types[ranked], vectors[ranked], level, LIST_LENGTH)[:LIST_LENGTH]


@dataclass(frozen=True)
class _Level:
    """The lists of one level, row by row: METRICS, and LOOKS."""

    rows: Values
    looks: Values

    @classmethod
    def of(cls, asked: Sequence[Asked], lists: Sequence[Ints], types: Ints) -> "_Level":
        rows = [figures(ranked, each.target, each.owned) for each, ranked in zip(asked, lists, strict=True)]
        return cls(np.array(rows), np.array([_looks(types[ranked[:TOP]]) for ranked in lists]))

    def report(self, off: "_Level", owners: Owners) -> dict[str, Any]:
        return {
            "metrics": means(self.rows),
            **dict(zip(LOOKS, self.looks.mean(axis=0).tolist(), strict=True)),
            "differences": paired_differences(self.rows, {"off": off.rows}, owners)["off"],
            "changes": relative_changes((*COSTS, *LOOKS), self.changing, off.changing, owners),
        }

    @property
    def changing(self) -> Values:
        costs = self.rows[:, [METRICS.index(name) for name in COSTS]]
        return np.concatenate((costs, self.looks), axis=1)


def _looks(types: Ints) -> tuple[float, float]:
    """Return LOOKS: the share of pairs of different types, and how many types; -1 is of no other's type."""
    return _different(types), float(np.unique(types[types >= 0]).size + (types < 0).sum())


def _different(types: Ints) -> float:
    if types.size < 2:
        return 1.0
    same = (types[:, None] == types[None, :]) & (types[:, None] >= 0)
    pairs = types.size * (types.size - 1)
    return 1.0 - (int(same.sum()) - int((types >= 0).sum())) / pairs


def _novelty(products: Ints, popularity: Floats) -> float:
    """Return the mean surprise; what nobody bought counts as the least popular product that somebody did."""
    bought = popularity[popularity > 0]
    if not products.size or not bought.size:
        return 0.0
    return float(-np.log2(np.maximum(popularity[products], bought.min())).mean())
