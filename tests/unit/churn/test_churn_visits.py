import numpy as np
import pytest

from services.churn.visits import visits_of
from tests.unit.churn.conftest import random_visits, visits_on


def test_rows_are_ordered_by_customer_then_day_and_categories_follow_them() -> None:
    visits = visits_of(
        2,
        customer=np.array([1, 0, 0]),
        day=np.array([5, 9, 2]),
        spend_minor=np.array([10, 20, 30]),
        category_visit=np.array([0, 2, 2]),
        category=np.array([7, 8, 8]),
    )
    assert visits.day.tolist() == [2, 9, 5]
    assert visits.spend_minor.tolist() == [30, 20, 10]
    assert list(zip(visits.category_visit.tolist(), visits.category.tolist(), strict=True)) == [(0, 8), (2, 7)]


def test_two_visits_of_one_customer_on_one_day_are_refused() -> None:
    with pytest.raises(ValueError, match="two visits on one day"):
        visits_on([[3, 3]])


def test_an_unknown_customer_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        visits_of(1, customer=np.array([1]), day=np.array([0]))


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="unequal lengths"):
        visits_of(1, customer=np.array([0]), day=np.array([0]), spend_minor=np.array([1, 2]))


def test_a_missing_store_is_unknown_and_other_missing_columns_are_zero() -> None:
    visits = visits_of(1, customer=np.array([0]), day=np.array([0]))
    assert visits.store.tolist() == [-1]
    assert visits.spend_minor.tolist() == [0]


def test_cutting_by_day_keeps_the_categories_of_the_kept_visits() -> None:
    visits = random_visits()
    cut = visits.before(100)
    assert cut.day.max() < 100
    kept = visits.day[visits.category_visit] < 100
    assert np.array_equal(cut.category, visits.category[kept])
    assert np.array_equal(cut.day[cut.category_visit], visits.day[visits.category_visit][kept])


def test_chosen_customers_are_renumbered() -> None:
    visits = visits_on([[1], [2, 3], [4]])
    chosen = visits.of_customers(np.array([1, 2]))
    assert chosen.customers == 2
    assert list(zip(chosen.customer.tolist(), chosen.day.tolist(), strict=True)) == [(0, 2), (0, 3), (1, 4)]


def test_no_visits_have_no_span() -> None:
    with pytest.raises(ValueError, match="no visits"):
        visits_on([[]]).span()
