import numpy as np
import pytest

from services.churn import labels
from services.churn.accuracy import auc
from services.churn.domain import Level, next_level, top_shares
from services.churn.logistic import Logistic
from services.churn.scorer import Model, Trees, score
from services.churn.training import (
    LAPSE28,
    FeatureHistory,
    NotEnoughHistory,
    TrainingSettings,
    event_week,
    fit_label,
    hazard_rows,
    label_rows,
    origins,
    train,
)
from tests.unit.churn.conftest import RARE, SETTINGS, SLOWING, visits_on


def test_a_slowing_customer_is_warned_two_weeks_before_the_limit(shop: FeatureHistory, model: Model) -> None:
    day = 314  # the last visit was on day 313, the gaps before it 9, 11 and 13 days instead of 7
    now = shop.at(day)
    until = labels.days_until_certain(shop.visits, day, now.column("limit_days"), 365)
    assert until[SLOWING] >= 14
    alert = score(model, now).alert
    regular = labels.regular(now.column("visits_112d")) & (until > 0)
    assert (alert[regular] > alert[SLOWING]).mean() < 0.10


def test_a_rare_but_regular_customer_is_not_warned(shop: FeatureHistory, model: Model) -> None:
    for day in (315, 322, 329, 336):
        now = shop.at(day)
        scores = score(model, now)
        seen = np.flatnonzero(now.visited & (now.column("limit_days_left") >= 0))
        shares = top_shares(scores.lost_within(8)[seen], np.zeros(len(seen), dtype=np.int64))
        share = float(shares[np.flatnonzero(seen == RARE)[0]])
        probability = float(scores.lost_within(8)[RARE])
        assert next_level(Level.NONE, share, probability) is Level.NONE, (day, share, probability)


def test_the_model_ranks_later_losses_far_above_chance(shop: FeatureHistory, model: Model) -> None:
    now = shop.at(308)
    until = labels.days_until_certain(shop.visits, 308, now.column("limit_days"), 365)
    open_ = now.visited & (until > 0)
    assert auc((until <= 56)[open_], score(model, now).lost_within(8)[open_]) > 0.75


def test_the_same_visits_give_the_same_model(shop: FeatureHistory, model: Model) -> None:
    again = train(FeatureHistory(shop.visits), 308, SETTINGS)
    now = shop.at(308)
    assert np.array_equal(score(again, now).lost_by_week, score(model, now).lost_by_week, equal_nan=True)


def test_nothing_after_the_day_of_training_reaches_the_model(shop: FeatureHistory, model: Model) -> None:
    blind = train(FeatureHistory(shop.visits.before(308)), 308, SETTINGS)
    now = shop.at(308)
    assert np.array_equal(score(blind, now).lost_by_week, score(model, now).lost_by_week, equal_nan=True)
    assert np.array_equal(score(blind, now).lapse28, score(model, now).lapse28, equal_nan=True)


def test_label_windows_end_by_the_day_of_training(shop: FeatureHistory) -> None:
    days = origins(shop, 308, 28, SETTINGS)
    assert days[0] == 280
    assert min(days) >= shop.visits.span()[0] + SETTINGS.warmup_days
    assert set(np.diff(days)) == {-SETTINGS.spacing_days}


def test_person_periods_stop_at_the_loss_and_at_the_end_of_the_data() -> None:
    history = FeatureHistory(visits_on([[0, 7, 14, 21, 28], list(range(0, 80, 5))]))
    settings = TrainingSettings(warmup_days=30, spacing_days=1000)
    values, happened = hazard_rows(history, 70, settings)
    # One origin, day 63: the first customer is lost already, the second is at risk for the one known week.
    assert len(values) == 1
    assert happened.tolist() == [False]


def test_the_week_of_a_loss_counts_from_zero() -> None:
    assert event_week(np.array([0, 1, 7, 8, 14])).tolist() == [-1, 0, 0, 1, 1]


def test_rows_and_labels_belong_together(shop: FeatureHistory) -> None:
    values, happened = label_rows(shop, 308, LAPSE28, SETTINGS)
    assert len(values) == len(happened)
    assert 0 < happened.mean() < 1


def test_few_losses_fall_back_to_the_logistic_regression(shop: FeatureHistory) -> None:
    cautious = TrainingSettings(positives_for_trees_min=10**6)
    head, challenger = fit_label(shop, 308, LAPSE28, cautious)
    assert head is challenger
    assert isinstance(head, Logistic)
    assert isinstance(fit_label(shop, 308, LAPSE28, SETTINGS)[0], Trees)


def test_a_short_history_is_refused_in_words() -> None:
    with pytest.raises(NotEnoughHistory, match="112 days of history"):
        train(FeatureHistory(visits_on([[0, 7, 14]])), 60)


def test_a_shop_that_lost_nobody_has_nothing_to_learn() -> None:
    steady = FeatureHistory(visits_on([list(range(start, 364, 7)) for start in range(7)]))
    with pytest.raises(NotEnoughHistory, match="no customer was lost"):
        train(steady, 308)
