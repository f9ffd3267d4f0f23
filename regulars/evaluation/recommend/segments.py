"""Owns figures by how much a customer had bought before: terciles of baskets in the history, light to heavy."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from regulars.evaluation.ranking_metrics import Owners, Values, intervals, means, paired_differences
from services.recommend.history import Ints

NAMES = ("light", "middle", "heavy")
FEWEST_LISTS = 3
"""Below this the lists are not parted: every one of them would be a segment."""


def segments(
    ours: Values, others: Mapping[str, Values], baskets_before: Ints, owners: Owners
) -> dict[str, dict[str, Any]]:
    """Return per tercile its bounds in baskets, our figures with intervals, and what is ours above the baselines.

    `baskets_before` counts each list's customer's baskets before it. Customers of one count stay together, so
    terciles may differ in size; an empty one is left out.
    """
    if baskets_before.size < FEWEST_LISTS:
        return {}
    low, high = np.quantile(baskets_before, [1 / 3, 2 / 3])
    place = (baskets_before > low).astype(int) + (baskets_before > high)
    parts = ((name, np.flatnonzero(place == number)) for number, name in enumerate(NAMES))
    return {name: _part(ours, others, baskets_before, owners, rows) for name, rows in parts if rows.size}


def _part(
    ours: Values, others: Mapping[str, Values], baskets_before: Ints, owners: Owners, rows: Ints
) -> dict[str, Any]:
    mine, here = ours[rows], owners[rows]
    return {
        "lists": int(rows.size),
        "baskets_before": [int(baskets_before[rows].min()), int(baskets_before[rows].max())],
        "metrics": means(mine),
        "intervals": intervals(mine, here),
        "baselines": {name: means(values[rows]) for name, values in others.items()},
        "differences": paired_differences(mine, {name: values[rows] for name, values in others.items()}, here),
    }
