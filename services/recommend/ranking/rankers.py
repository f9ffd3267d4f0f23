"""Owns ordering candidates for a customer: the one path that training, evaluation and serving all take."""

from dataclasses import dataclass

import numpy as np

from services.recommend.history import Floats, Ints, Matrix
from services.recommend.knowledge import Knowledge
from services.recommend.ranking.features import Shopper, candidate_features, store_features
from services.recommend.ranking.ranker import Ranker


@dataclass(frozen=True)
class Rankers:
    """The fitted rankers: `strict` without, `in_store` with the visit's store. None: not trained yet."""

    strict: Ranker | None = None
    in_store: Ranker | None = None

    def scores(self, shopper: Shopper, candidates: Ints, knowledge: Knowledge, store: int) -> Floats:
        """Score candidates; `store` is the visit's store index, -1 when unknown. Untrained: the formula's value."""
        ranker = self.in_store if store >= 0 and self.in_store else self.strict
        if ranker is None:
            return shopper.formula[candidates]
        return ranker.score(feature_rows(shopper, candidates, knowledge, store if ranker is self.in_store else -1))


def feature_rows(shopper: Shopper, candidates: Ints, knowledge: Knowledge, store: int) -> Matrix:
    """Return the rows of the ranker that applies: without a store (-1) the store's columns are absent."""
    rows = candidate_features(shopper, candidates, knowledge)
    if store < 0:
        return rows
    return np.concatenate((rows, store_features(shopper, candidates, knowledge, store)), axis=1)


def ordered(candidates: Ints, scores: Floats) -> tuple[Ints, Floats]:
    """Return candidates and scores, best first; ties keep the candidates' order."""
    order = np.argsort(-scores, kind="stable")
    return candidates[order], scores[order]
