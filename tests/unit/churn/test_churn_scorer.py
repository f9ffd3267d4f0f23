import numpy as np

from services.churn.features import FAMILIES, features
from services.churn.scorer import (
    WEEKS,
    Model,
    Trees,
    alert_log_odds,
    family_contributions,
    hazard_values,
    loss_curve,
    score,
)
from services.churn.training import FeatureHistory
from tests.unit.churn.conftest import visits_on


def test_the_curve_never_falls_and_stays_a_probability(shop: FeatureHistory, model: Model) -> None:
    curve = score(model, shop.at(308)).lost_by_week
    known = curve[shop.at(308).visited]
    assert curve.shape == (shop.visits.customers, WEEKS)
    assert (np.diff(known, axis=1) >= 0).all()
    assert known.min() >= 0
    assert known.max() <= 1


def test_the_alert_score_is_the_loss_of_weeks_three_to_eight(shop: FeatureHistory, model: Model) -> None:
    scores = score(model, shop.at(308))
    assert np.array_equal(scores.alert, scores.lost_by_week[:, 7] - scores.lost_by_week[:, 1], equal_nan=True)


def test_contributions_of_the_families_sum_to_the_score(shop: FeatureHistory, model: Model) -> None:
    now = shop.at(308)
    parts = family_contributions(model.hazard, now)
    assert parts.shape == (shop.visits.customers, len(FAMILIES) + 1)
    seen = now.visited
    assert np.abs(parts.sum(axis=1) - alert_log_odds(model.hazard, now))[seen].max() < 1e-6


def test_a_customer_scored_alone_has_the_score_it_has_among_all(shop: FeatureHistory, model: Model) -> None:
    chosen = np.array([0, 5, 99])
    alone = score(model, features(shop.visits.of_customers(chosen), 308))
    among = score(model, shop.at(308))
    assert np.array_equal(alone.lost_by_week, among.lost_by_week[chosen])
    assert np.array_equal(alone.partial56, among.partial56[chosen])


def test_a_customer_never_seen_has_no_score(model: Model) -> None:
    scores = score(model, features(visits_on([[], [90, 97]]), 100))
    assert np.isnan(scores.lost_by_week[0]).all()
    assert np.isnan(scores.lapse28[0])
    assert np.isfinite(scores.lost_by_week[1]).all()


def test_nobody_to_score_is_no_error(model: Model) -> None:
    scores = score(model, features(visits_on([[]]), 100))
    assert np.isnan(scores.alert).all()
    assert family_contributions(model.hazard, features(visits_on([[]]), 100)).shape == (1, len(FAMILIES) + 1)


def test_hazard_rows_count_the_weeks_and_the_days_left(shop: FeatureHistory) -> None:
    now = shop.at(308)
    rows = hazard_values(now).reshape(-1, WEEKS, now.values.shape[1] + 2)
    left = now.column("limit_days_left")
    assert rows[3, :, -2].tolist() == list(range(WEEKS))
    assert rows[3, 2, -1] == left[3] - 14


def test_a_fixed_limit_changes_only_the_days_left(shop: FeatureHistory, model: Model) -> None:
    now = shop.at(308)
    own = loss_curve(model.hazard, now)
    given = loss_curve(model.hazard, now, now.column("limit_days"))
    assert np.array_equal(own, given, equal_nan=True)


def test_trees_are_what_their_text_says(shop: FeatureHistory, model: Model) -> None:
    assert isinstance(model.lapse28, Trees)
    values = shop.at(308).values[shop.at(308).visited]
    assert np.array_equal(Trees(model.lapse28.text).probability(values), model.lapse28.probability(values))
