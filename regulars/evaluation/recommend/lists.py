"""Owns what a protocol hands to its report: what was asked, and every method's figures for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from regulars.evaluation.ranking_metrics import Owners, Values
from services.recommend.history import Floats, Ints, Matrix

LIST_LENGTH = 20
OURS = "regulars"
STORE_KNOWN = "regulars, store known"


class Protocol(StrEnum):
    LAST_BASKET = "last-basket"
    TEMPORAL = "temporal"
    COMPLETION = "completion"
    DISCOVER = "discover"


@dataclass(frozen=True, slots=True)
class Asked:
    """One basket to be predicted: whose, after how many others, what came, what was owned, what we ranked."""

    customer: int
    baskets_before: int
    target: Ints
    owned: Ints
    ranked: Ints


@dataclass(frozen=True)
class Lists:
    """Every method's figures, one row per basket; `vectors` of products where lists are to be spread."""

    figures: Mapping[str, Values]
    asked: list[Asked]
    popularity: Floats
    notes: list[str]
    vectors: Matrix | None = None
    filters: Mapping[str, "Lists"] = field(default_factory=dict)

    @property
    def owners(self) -> Owners:
        return np.array([each.customer for each in self.asked], np.int64)

    @property
    def users(self) -> int:
        return int(np.unique(self.owners).size)

    @property
    def baskets_before(self) -> Ints:
        return np.array([each.baskets_before for each in self.asked], np.int64)

    @property
    def target_sizes(self) -> Ints:
        return np.array([each.target.size for each in self.asked], np.int64)

    @property
    def ours(self) -> Values:
        return self.figures[OURS]

    @property
    def baselines(self) -> dict[str, Values]:
        return {name: rows for name, rows in self.figures.items() if name not in {OURS, STORE_KNOWN}}
