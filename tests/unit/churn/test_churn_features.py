import numpy as np
import pytest

from services.churn.features import COLUMNS, FAMILIES, NAMES, Features, features
from services.churn.visits import visits_of
from tests.unit.churn.conftest import random_visits, visits_on


def _value(now: Features, name: str, customer: int = 0) -> float:
    return float(now.column(name)[customer])


@pytest.mark.parametrize("day", [30, 112, 252, 364])
def test_deleting_the_future_changes_nothing(day: int) -> None:
    visits = random_visits()
    whole, known = features(visits, day), features(visits.before(day), day)
    assert np.array_equal(whole.values, known.values, equal_nan=True)
    assert np.array_equal(whole.gaps, known.gaps)


def test_one_customer_alone_has_the_same_features_as_among_all() -> None:
    visits = random_visits()
    chosen = np.array([3, 17, 40])
    alone = features(visits.of_customers(chosen), 252)
    assert np.array_equal(alone.values, features(visits, 252).values[chosen], equal_nan=True)


def test_renumbering_customers_only_moves_their_rows() -> None:
    visits = random_visits()
    new = np.random.default_rng(1).permutation(visits.customers)
    columns = ("day", "spend_minor", "items", "discount_minor", "coupon_minor", "hour", "store")
    moved = visits_of(
        visits.customers,
        customer=new[visits.customer],
        category_visit=visits.category_visit,
        category=visits.category,
        **{name: getattr(visits, name) for name in columns},
    )
    assert np.array_equal(features(moved, 252).values[new], features(visits, 252).values, equal_nan=True)


def test_shifting_all_days_by_whole_weeks_changes_nothing() -> None:
    visits = random_visits()
    columns = {name: getattr(visits, name) for name in ("customer", "spend_minor", "items", "store", "hour")}
    early = visits_of(visits.customers, day=visits.day, **columns)
    late = visits_of(visits.customers, day=visits.day + 70, **columns)
    assert np.array_equal(features(early, 252).values, features(late, 322).values, equal_nan=True)


def test_nothing_grows_with_time_for_a_steady_customer() -> None:
    steady = visits_on([list(range(0, 364, 7))])
    assert np.array_equal(features(steady, 252).values, features(steady, 336).values, equal_nan=True)


def test_visits_older_than_the_history_do_not_count() -> None:
    recent = list(range(400, 700, 9))
    assert np.array_equal(
        features(visits_on([[0, 5, *recent]]), 701).values, features(visits_on([recent]), 701).values, equal_nan=True
    )


def test_a_weekly_customer_is_described_exactly() -> None:
    now = features(visits_on([list(range(0, 250, 7))]), 252)
    expected = {
        "silence_days": 7,
        "gap_median_days": 7,
        "gap_p90_days": 7,
        "gap_sd_days": 0,
        "limit_days": 14,
        "limit_days_left": 7,
        "visits_28d": 4,
        "visits_112d": 16,
        "visit_pace_28_to_112": 1,
        "weeks_active_16": 16,
        "visits_slope": 0,
        "spend_112d_minor": 32_000,
        "spend_per_visit_28d_minor": 2_000,
        "items_per_visit_112d": 5,
        "categories_28d": 2,
        "habits": 2,
        "habits_lost": 0,
        "main_store_share_112d": 1,
        "hour_mean_112d": 12,
        "discount_share_112d": 0,
    }
    assert {name: _value(now, name) for name in expected} == pytest.approx(expected)


def test_gap_statistics_agree_with_numpy() -> None:
    days = [3, 4, 11, 30, 31, 60, 75, 100]
    now = features(visits_on([days]), 110)
    gaps = np.diff(days)
    assert _value(now, "gap_p90_days") == pytest.approx(np.quantile(gaps, 0.9))
    assert _value(now, "gap_median_days") == pytest.approx(np.median(gaps))
    assert _value(now, "gap_sd_days") == pytest.approx(gaps.std())
    assert _value(now, "gap_last3_mean_days") == pytest.approx(gaps[-3:].mean())
    assert now.gaps.tolist() == [len(gaps)]


def test_a_slowing_customer_has_a_falling_slope_and_pace() -> None:
    now = features(visits_on([[*range(150, 220, 4), 230, 245]]), 252)
    assert _value(now, "visits_slope") < 0
    assert _value(now, "visit_pace_28_to_112") < 0.7


def test_a_habit_not_bought_for_four_weeks_is_lost() -> None:
    days = np.arange(100, 252, 7)
    visits = visits_of(
        1,
        customer=np.zeros(len(days)),
        day=days,
        category_visit=np.arange(len(days)),
        category=np.where(days < 220, 1, 2),
    )
    now = features(visits, 252)
    assert (_value(now, "habits"), _value(now, "habits_lost")) == (1.0, 1.0)


def test_the_main_store_is_that_of_most_visits() -> None:
    days = np.arange(200, 250, 5)
    store = np.where(np.arange(len(days)) < 7, 3, 9)
    now = features(visits_of(1, customer=np.zeros(len(days)), day=days, store=store), 252)
    assert _value(now, "main_store_share_112d") == pytest.approx(0.7)
    assert _value(now, "stores_112d") == 2


def test_a_customer_never_seen_has_no_features() -> None:
    now = features(visits_on([[], [10]]), 20)
    assert now.visited.tolist() == [False, True]
    assert np.isnan(now.values[0]).all()


def test_no_visits_at_all_are_no_error() -> None:
    assert not features(visits_on([[], []]), 100).visited.any()


def test_every_column_belongs_to_a_family_and_every_family_has_columns() -> None:
    assert set(COLUMNS.values()) == set(FAMILIES)
    assert 55 <= len(NAMES) <= 75
