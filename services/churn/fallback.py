"""Owns the model in use before one is trained: `rule` in the shape of a trained model."""

import numpy as np

from services.churn.features import NAMES
from services.churn.rule import Rhythm
from services.churn.scorer import HAZARD_NAMES, Model
from services.churn.visits import Floats

LAPSE_DAYS = 28
_WEEK = HAZARD_NAMES.index("week")
_SILENCE, _LEFT, *_RHYTHM = (
    NAMES.index(name) for name in ("silence_days", "limit_days_left", "gap_mean_days", "gap_p90_days", "limit_days")
)


class RuleHazard:
    """The weekly hazard of `rule`; all of it is told as silence against the own limit."""

    def probability(self, values: Floats) -> Floats:
        rows = zip(_rhythms(values), values[:, _WEEK], values[:, _SILENCE], strict=True)
        return np.array(
            [rhythm.weekly_hazard(int(week), silence) for rhythm, week, silence in rows], dtype=np.float64
        )

    def log_odds(self, values: Floats) -> Floats:
        return _log_odds(self.probability(values))

    def contributions(self, values: Floats) -> Floats:
        parts = np.zeros((len(values), len(HAZARD_NAMES) + 1))
        parts[:, _LEFT] = self.log_odds(values)
        return parts


class RuleLapse:
    """P(no visit in 28 days) by the customer's own gaps."""

    def probability(self, values: Floats) -> Floats:
        return np.array([rhythm.chance_of_silence(LAPSE_DAYS) for rhythm in _rhythms(values)], dtype=np.float64)

    def log_odds(self, values: Floats) -> Floats:
        return _log_odds(self.probability(values))

    def contributions(self, values: Floats) -> Floats:
        parts = np.zeros((len(values), len(NAMES) + 1))
        parts[:, _RHYTHM[1]] = self.log_odds(values)
        return parts


class Unknown:
    """A label about which the rule says nothing: NaN, which is stored as null."""

    def probability(self, values: Floats) -> Floats:
        return np.full(len(values), np.nan)

    log_odds = probability

    def contributions(self, values: Floats) -> Floats:
        return np.full((len(values), len(NAMES) + 1), np.nan)


def rule_model() -> Model:
    return Model(hazard=RuleHazard(), lapse28=RuleLapse(), partial56=Unknown(), challengers={})


def _rhythms(values: Floats) -> list[Rhythm]:
    return [Rhythm.of(*row) for row in values[:, _RHYTHM].tolist()]


def _log_odds(probability: Floats) -> Floats:
    odds: Floats = np.log(probability / (1 - probability))
    return odds
