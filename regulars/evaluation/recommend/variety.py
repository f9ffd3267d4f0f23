"""Owns what lists look like beside being right: types within one, how much of the catalogue, how new; by level."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from regulars.evaluation.ranking_metrics import Owners, Values, figures, means, paired_differences
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.lists import LIST_LENGTH, Asked
from services.recommend.domain.diversity import Diversity
from services.recommend.history import Floats, Ints, Matrix
from services.recommend.ranking.spreading import diversified, relevance_of_places

TOP = 10


def variety(data: Evaluated, ranked: Sequence[Ints], popularity: Floats) -> dict[str, float]:
    """Return the figures of the top ten.

    `different_types@10` is the share of pairs within a list that are of different product types (its intra-list
    difference), `catalogue_coverage@10` the share of products on any list, `novelty@10` the mean of -log2 of a
    product's share of the purchases.
    """
    top = [products[:TOP] for products in ranked]
    types = data.assortment.level("product_type")
    everything = np.concatenate([np.empty(0, np.int64), *top])
    return {
        "catalogue_coverage@10": np.unique(everything).size / max(len(data.dataset.product_ids), 1),
        "different_types@10": float(np.mean([_different(types[products]) for products in top])),
        "novelty@10": _novelty(everything, popularity),
    }


def levels(data: Evaluated, asked: Sequence[Asked], vectors: Matrix) -> dict[str, dict[str, Any]]:
    """Return for every diversity level the figures of the lists as serving spreads them, and what that costs.

    `differences` are paired with `off`; `types_gain@10` is the relative gain in difference of types.
    """
    owners = np.array([each.customer for each in asked], np.int64)
    types = data.assortment.level("product_type")
    lists = {level: [spread_over(types, vectors, each.ranked, level) for each in asked] for level in Diversity}
    plain = _rows(asked, lists[Diversity.OFF])
    before = _types(types, lists[Diversity.OFF])
    return {
        level.value: _level(asked, ranked, plain, owners) | _gain(types, ranked, before)
        for level, ranked in lists.items()
    }


def spread_over(types: Ints, vectors: Matrix, ranked: Ints, level: Diversity) -> Ints:
    """Return LIST_LENGTH of the ranked products, spread by the function that serves, as it is called there."""
    relevance = relevance_of_places(ranked.size)
    return diversified(ranked, relevance, types[ranked], vectors[ranked], level, LIST_LENGTH)[:LIST_LENGTH]


def _rows(asked: Sequence[Asked], lists: Sequence[Ints]) -> Values:
    return np.array([figures(ranked, each.target, each.owned) for each, ranked in zip(asked, lists, strict=True)])


def _level(asked: Sequence[Asked], lists: Sequence[Ints], plain: Values, owners: Owners) -> dict[str, Any]:
    rows = _rows(asked, lists)
    return {"metrics": means(rows), "differences": paired_differences(rows, {"off": plain}, owners)["off"]}


def _gain(types: Ints, lists: Sequence[Ints], before: float) -> dict[str, float]:
    after = _types(types, lists)
    return {"different_types@10": after, "types_gain@10": after / before - 1 if before else 0.0}


def _types(types: Ints, lists: Sequence[Ints]) -> float:
    return float(np.mean([_different(types[products[:TOP]]) for products in lists]))


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
