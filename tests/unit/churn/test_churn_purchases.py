import numpy as np
import pytest

from services.churn.purchases import Histories, ParetoNBD, fit_pareto_nbd

MODEL = ParetoNBD(r=0.55, alpha=10.6, s=0.61, beta=11.7)


def _history(repeats: float, last: float, observed: float = 39.0) -> Histories:
    return Histories(np.array([repeats]), np.array([last]), np.array([observed]))


def test_a_purchase_long_ago_makes_the_next_one_less_likely() -> None:
    assert MODEL.expected(_history(4, 10), 39) < MODEL.expected(_history(4, 38), 39)


def test_more_purchases_at_the_same_recency_promise_more() -> None:
    assert MODEL.expected(_history(2, 38), 39) < MODEL.expected(_history(6, 38), 39)


def test_alive_is_a_probability_and_certain_right_after_a_purchase() -> None:
    assert 0 < float(MODEL.alive(_history(0, 0))[0]) < 1
    assert float(MODEL.alive(_history(5, 39))[0]) == pytest.approx(1.0)


def test_expectation_grows_with_the_time_ahead() -> None:
    values = [float(MODEL.expected(_history(3, 30), ahead)[0]) for ahead in (1, 10, 39)]
    assert values == sorted(values)


def test_the_two_forms_of_the_likelihood_meet_where_the_scales_are_equal() -> None:
    past = Histories(np.array([0.0, 3.0]), np.array([0.0, 20.0]), np.array([39.0, 39.0]))
    above = ParetoNBD(0.5, 10.0 + 1e-6, 0.6, 10.0).log_likelihood(past)
    below = ParetoNBD(0.5, 10.0 - 1e-6, 0.6, 10.0).log_likelihood(past)
    assert np.allclose(above, below, atol=1e-5)


def test_parameters_are_found_again_from_simulated_customers() -> None:
    past = _simulated(np.random.default_rng(6), 4_000)
    fitted = fit_pareto_nbd(past)
    assert fitted.r / fitted.alpha == pytest.approx(0.6 / 6.0, rel=0.15)
    assert fitted.log_likelihood(past).mean() >= ParetoNBD(0.6, 6.0, 0.7, 12.0).log_likelihood(past).mean() - 1e-6


def _simulated(rng: np.random.Generator, customers: int, observed: float = 60.0) -> Histories:
    rate = rng.gamma(0.6, 1 / 6.0, customers)
    life = rng.exponential(1 / rng.gamma(0.7, 1 / 12.0, customers))
    repeats, last = np.zeros(customers), np.zeros(customers)
    for one in range(customers):
        end = min(life[one], observed)
        times = rng.uniform(0, end, rng.poisson(rate[one] * end))
        repeats[one], last[one] = len(times), times.max(initial=0.0)
    return Histories(repeats, last, np.full(customers, observed))
