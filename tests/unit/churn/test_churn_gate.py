from dataclasses import replace

import numpy as np
import pytest

from services.churn.candidate import make_candidate
from services.churn.gate import HeldOut, figures, held_out, judge
from services.churn.scorer import Model
from services.churn.training import FeatureHistory
from tests.unit.churn.conftest import SETTINGS


@pytest.fixture
def honest() -> HeldOut:
    """Exactly right probabilities of two thousand customers."""
    rng = np.random.default_rng(9)
    probability = rng.beta(1, 6, 2_000)
    happened = rng.random(2_000) < probability
    return HeldOut(np.arange(2_000), happened, probability, rng.integers(0, 3, 2_000), rng.random(2_000))


def _judged(new: HeldOut, old: HeldOut | None = None) -> tuple[str, ...]:
    verdict = judge({"lapse28": new}, {"lapse28": old} if old else None)
    assert verdict.passed == (not verdict.failures)
    return verdict.failures


def test_a_first_model_better_than_the_silence_rule_passes(honest: HeldOut) -> None:
    assert _judged(honest) == ()


def test_a_first_model_no_better_than_the_silence_rule_fails(honest: HeldOut) -> None:
    assert "does not beat the silence rule" in _judged(replace(honest, simple=honest.probability))[0]


def test_a_model_as_good_as_the_one_in_use_passes(honest: HeldOut) -> None:
    assert _judged(honest, honest) == ()


def test_a_noisier_model_fails_against_the_one_in_use(honest: HeldOut) -> None:
    shuffled = np.random.default_rng(1).permutation(honest.probability)
    failures = _judged(replace(honest, probability=shuffled), honest)
    assert any("AUC is worse" in failure for failure in failures)
    assert any("Brier score is worse" in failure for failure in failures)


def test_doubled_probabilities_fail_for_calibration(honest: HeldOut) -> None:
    failures = _judged(replace(honest, probability=np.minimum(2 * honest.probability, 1.0)))
    assert any("calibration error" in failure for failure in failures)


def test_a_model_that_gives_up_one_value_tier_fails(honest: HeldOut) -> None:
    probability = honest.probability.copy()
    worst = honest.tier == 2
    probability[worst] = np.random.default_rng(1).permutation(probability[worst])
    failures = _judged(replace(honest, probability=probability), honest)
    assert any("value tier 2" in failure for failure in failures)


def test_few_rows_are_not_failed_for_what_chance_does_to_calibration(honest: HeldOut) -> None:
    some = HeldOut(
        *(getattr(honest, name)[:300] for name in ("customer", "happened", "probability", "tier", "simple"))
    )
    assert not any("calibration" in failure for failure in _judged(some))


def test_without_any_event_a_model_does_not_pass(honest: HeldOut) -> None:
    assert _judged(replace(honest, happened=np.zeros(2_000, dtype=np.bool_)))


def test_figures_carry_intervals_and_tiers(shop: FeatureHistory, model: Model) -> None:
    measured = figures(held_out(model, shop, 308))
    assert set(measured) == {"lapse28", "partial56", "lost8w"}
    low, high = measured["lapse28"]["auc_interval"]
    assert low <= measured["lapse28"]["auc"] <= high
    assert len(measured["lapse28"]["auc_by_value_tier"]) == 3


def test_a_candidate_is_measured_on_days_that_it_has_not_learned_from(shop: FeatureHistory) -> None:
    told: list[str] = []
    candidate = make_candidate(shop, 364, settings=SETTINGS, progress=told.append)
    assert candidate.description["data"]["held_out_from"] == 308
    assert candidate.figures["lost8w"]["auc"] > 0.7
    assert len(told) == 6
