"""Owns ordering candidates for a customer: the one path that training, evaluation and serving all take."""

from dataclasses import dataclass

import numpy as np

from services.recommend.history import Floats, Ints, Matrix
from services.recommend.ranking.features import Prepared, features_at
from services.recommend.ranking.net import Nets
from services.recommend.ranking.ranker import Ranker


@dataclass(frozen=True)
class Ranking:
    """One fitted ranker: the nets that order, and the trees that explain them and stand in where they are away."""

    nets: Nets | None = None
    trees: Ranker | None = None

    def score(self, features: Matrix) -> Floats:
        """Return one score per row. Raises ValueError when the number of columns differs from the training's."""
        scorer = self.nets or self.trees
        if scorer is None:
            raise ValueError("neither nets nor trees were read: this ranker cannot score")
        return scorer.score(features)


@dataclass(frozen=True)
class Rankers:
    """The fitted rankers: `strict` without, `in_store` with the visit's store. None: not trained yet."""

    strict: Ranking | None = None
    in_store: Ranking | None = None

    def scores(self, prepared: Prepared, now: float, store: int) -> Floats:
        """Score candidates; `store` is the visit's store index, -1 when unknown. Untrained: the formula's value."""
        ranking = self.in_store if store >= 0 and self.in_store else self.strict
        if ranking is None:
            return prepared.formula.astype(np.float64)
        return ranking.score(features_at(prepared, now, store if ranking is self.in_store else -1))


def ordered(candidates: Ints, scores: Floats) -> tuple[Ints, Floats]:
    """Return candidates and scores, best first; ties keep the candidates' order."""
    order = np.argsort(-scores, kind="stable")
    return candidates[order], scores[order]
