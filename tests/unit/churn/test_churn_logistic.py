import json

import numpy as np
import pytest

from services.churn.logistic import Logistic, fit_logistic


@pytest.fixture
def fitted() -> tuple[Logistic, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(2_000, 3))
    happened = rng.random(2_000) < 1 / (1 + np.exp(-(2 * values[:, 0] - 1)))
    values[rng.random(values.shape) < 0.05] = np.nan
    return fit_logistic(values, happened, ridge=1.0), values, happened


def test_the_column_that_matters_has_the_weight(fitted: tuple[Logistic, np.ndarray, np.ndarray]) -> None:
    weights = np.abs(fitted[0].weights[:3])
    assert weights[0] > 5 * weights[1:].max()


def test_mean_probability_equals_the_observed_share(fitted: tuple[Logistic, np.ndarray, np.ndarray]) -> None:
    model, values, happened = fitted
    assert model.probability(values).mean() == pytest.approx(happened.mean(), abs=1e-3)


def test_contributions_sum_to_the_log_odds(fitted: tuple[Logistic, np.ndarray, np.ndarray]) -> None:
    model, values, _ = fitted
    assert np.allclose(model.contributions(values).sum(axis=1), model.log_odds(values))


def test_a_stored_model_is_the_same_model(fitted: tuple[Logistic, np.ndarray, np.ndarray]) -> None:
    model, values, _ = fitted
    again = Logistic.of_json(json.loads(json.dumps(model.as_json())))
    assert np.array_equal(again.probability(values), model.probability(values))


def test_a_column_without_any_value_is_ignored() -> None:
    values = np.column_stack([np.full(50, np.nan), np.arange(50.0)])
    model = fit_logistic(values, np.arange(50) > 25, ridge=1.0)
    assert np.isfinite(model.probability(values)).all()
