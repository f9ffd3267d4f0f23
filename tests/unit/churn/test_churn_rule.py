import math
from itertools import pairwise

import numpy as np
import pytest

from services.churn import domain, rule
from services.churn.fallback import RuleHazard, RuleLapse, rule_model
from services.churn.features import FAMILIES
from services.churn.handlers import standing
from services.churn.rule import Rhythm, loss_curve
from services.churn.scorer import WEEKS, alert_log_odds, family_contributions, hazard_values, score
from services.churn.training import FeatureHistory
from tests.unit.churn.conftest import visits_on

WEEKLY = Rhythm(mean_days=7, p90_days=7, limit_days=14)


def test_the_chance_of_loss_never_falls_along_the_weeks() -> None:
    for silence in (0, 5, 13, 14, 40):
        curve = loss_curve(WEEKLY, silence)
        assert len(curve) == rule.WEEKS == WEEKS
        assert all(later >= earlier for earlier, later in pairwise(curve))
        assert all(0 < chance <= 1 for chance in curve)


def test_the_longer_the_silence_the_likelier_the_loss() -> None:
    chances = [loss_curve(WEEKLY, silence)[7] for silence in range(15)]
    assert chances == sorted(chances)
    assert chances[0] < 0.15
    assert chances[14] > 0.99


def test_one_in_ten_gaps_is_longer_than_the_ninetieth_percentile() -> None:
    assert WEEKLY.chance_of_silence(7) == pytest.approx(0.1)
    assert WEEKLY.chance_of_silence(14) == pytest.approx(0.01)


def test_a_customer_without_gaps_is_reckoned_by_the_limit() -> None:
    assert Rhythm.of(math.nan, math.nan, 28.0) == Rhythm(14, 28, 28)
    assert Rhythm.of(0.5, 0.2, 14.0) == Rhythm(1, 1, 14)


def test_the_rule_scores_as_a_model_does() -> None:
    history = FeatureHistory(visits_on([list(range(0, 300, 7)), list(range(0, 280, 5)), [250], []]))
    now = history.at(300)
    scores = score(rule_model(), now)
    for row in (0, 1, 2):
        rhythm = Rhythm.of(*(now.column(name)[row] for name in ("gap_mean_days", "gap_p90_days", "limit_days")))
        assert scores.lost_by_week[row] == pytest.approx(loss_curve(rhythm, now.column("silence_days")[row]))
    assert np.isnan(scores.lost_by_week[3]).all()
    assert np.isnan(scores.partial56).all()


def test_the_rules_contributions_sum_to_its_log_odds() -> None:
    now = FeatureHistory(visits_on([list(range(0, 300, 7)), list(range(0, 280, 5))])).at(300)
    model = rule_model()
    parts = family_contributions(model.hazard, now)
    assert parts.sum(axis=1) == pytest.approx(alert_log_odds(model.hazard, now))
    assert parts[:, FAMILIES.index("silence")] == pytest.approx(parts.sum(axis=1))
    assert RuleLapse().contributions(now.values).sum(axis=1) == pytest.approx(RuleLapse().log_odds(now.values))
    rows = hazard_values(now)
    assert RuleHazard().contributions(rows).sum(axis=1) == pytest.approx(RuleHazard().log_odds(rows))


def test_the_api_knows_the_domains_limits_without_its_libraries() -> None:
    assert standing.VISITS_FOR_HISTORY == domain.VISITS_FOR_HISTORY
    assert standing.KNOWN_DAYS_FOR_HISTORY == domain.KNOWN_DAYS_FOR_HISTORY
    assert rule.LIMIT_DAYS == 28
