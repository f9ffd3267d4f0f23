import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from services.churn import accuracy
from services.churn.visits import Bools, Floats


@pytest.fixture
def scored() -> tuple[Bools, Floats]:
    rng = np.random.default_rng(5)
    probability = np.round(rng.random(400), 2)  # with ties
    return rng.random(400) < probability**2, probability


def test_ranking_figures_agree_with_an_independent_implementation(scored: tuple[Bools, Floats]) -> None:
    happened, probability = scored
    assert accuracy.auc(happened, probability) == pytest.approx(roc_auc_score(happened, probability))
    assert accuracy.average_precision(happened, probability) == pytest.approx(
        average_precision_score(happened, probability)
    )
    assert accuracy.brier(happened, probability) == pytest.approx(brier_score_loss(happened, probability))


def test_one_class_has_no_ranking() -> None:
    nobody = np.zeros(3, dtype=np.bool_)
    assert np.isnan(accuracy.auc(nobody, np.arange(3.0)))
    assert np.isnan(accuracy.average_precision(nobody, np.arange(3.0)))
    assert np.isnan(accuracy.lift_at(nobody, np.arange(3.0)))


def test_precision_and_lift_look_at_the_top_share() -> None:
    happened = np.array([True] * 2 + [False] * 8)
    score = np.arange(10.0)[::-1]
    assert accuracy.precision_at(happened, score, 0.2) == 1.0
    assert accuracy.lift_at(happened, score, 0.1) == pytest.approx(5.0)


def test_right_probabilities_are_calibrated_and_doubled_ones_are_not() -> None:
    rng = np.random.default_rng(2)
    probability = rng.uniform(0.0, 0.4, 20_000)
    happened = rng.random(20_000) < probability
    assert accuracy.calibration_error(happened, probability) < 0.015
    assert accuracy.calibration_error(happened, 2 * probability) > 0.15


def test_concordance_counts_pairs_in_the_right_order() -> None:
    weeks, happened = np.array([1.0, 2.0, 13.0]), np.array([True, True, False])
    assert accuracy.concordance(weeks, happened, np.array([3.0, 2.0, 1.0])) == 1.0
    assert accuracy.concordance(weeks, happened, np.array([1.0, 2.0, 3.0])) == 0.0
    assert accuracy.concordance(weeks, happened, np.ones(3)) == 0.5


def test_a_perfect_curve_has_no_integrated_error() -> None:
    weeks, happened = np.array([2.0, 13.0]), np.array([True, False])
    curve = np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    assert accuracy.integrated_brier(weeks, happened, curve) == 0.0


def test_the_interval_of_a_mean_is_about_two_standard_errors() -> None:
    value = np.random.default_rng(1).normal(0.0, 1.0, 900)
    customers = [np.arange(900)]
    low, high = accuracy.interval(customers, lambda rows: float(value[rows[0]].mean()))
    assert high - low == pytest.approx(4 / 30, rel=0.25)
    assert low < value.mean() < high


def test_a_customer_is_drawn_with_all_its_origins() -> None:
    customers = [np.array([4, 9]), np.array([9, 4])]

    def equal(rows: object) -> float:
        first, second = (np.sort(part[drawn]) for part, drawn in zip(customers, rows, strict=True))  # type: ignore[call-overload]
        return float(np.array_equal(first, second))

    assert accuracy.interval(customers, equal) == (1.0, 1.0)
