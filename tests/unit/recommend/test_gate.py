"""Nothing bad comes into use: figures that are worse or no numbers, older data, rankers that cannot rank."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of
from services.recommend.gate import COMPARED_WITH, GAIN, IN_USE, judge, model_faults
from services.recommend.model import Model, files_of, untrained
from services.recommend.ranking.rankers import Rankers
from services.recommend.registry import SERVICE, promote
from services.recommend.training.holdout import COVERAGE, GATE_METRIC, SCORE_MS
from services.recommend.training.in_basket import BASKET_GAIN, BASKET_METRIC
from shared.registry import By, Manifest, Metric, Registry
from tests.unit.recommend.factories import catalogue

CREATED = "2026-11-22T03:00:00+00:00"
USED = "20261121T030000000000-aaaaaaaa"


def exactly(value: float) -> Metric:
    return Metric(value, value, value)


def manifest(version: str = "new", until: str = "2026-11-22", **metrics: Metric) -> Manifest:
    found = {GATE_METRIC: exactly(0.2)} | {name.replace("_at_", "@"): each for name, each in metrics.items()}
    return Manifest(
        SERVICE, CREATED, "2026-01-01T00:00:00+00:00", f"{until}T00:00:00+00:00", "c", metrics=found, version=version
    )


def compared(gain: float, **figures: float) -> Manifest:
    names = {
        "coverage": COVERAGE,
        "coverage_before": COVERAGE + IN_USE,
        "ms": SCORE_MS,
        "ms_before": SCORE_MS + IN_USE,
    }
    metrics: Mapping[str, Metric] = {
        GATE_METRIC: exactly(0.2),
        GAIN: Metric(gain, gain - 0.01, gain + 0.01),
        **{names[name]: exactly(value) for name, value in figures.items()},
    }
    return replace(manifest(), metrics=metrics, parameters={COMPARED_WITH: USED})


IN_USE_NOW = manifest(USED, until="2026-11-21")


def test_the_first_sound_version_passes() -> None:
    assert judge(manifest(), None).passed


@given(st.floats(-0.1, 0.1))
def test_a_paired_fall_of_one_percent_is_the_most_that_passes(gain: float) -> None:
    verdict = judge(compared(gain), IN_USE_NOW)
    assert verdict.passed == (gain >= -0.01 * (0.2 - gain))
    assert "on the same baskets" in verdict.reason


def test_a_comparison_with_another_version_than_the_one_in_use_does_not_count() -> None:
    other = replace(compared(0.05), parameters={COMPARED_WITH: "another"})
    worse = replace(IN_USE_NOW, metrics={GATE_METRIC: exactly(0.3)})
    verdict = judge(other, worse)
    assert not verdict.passed
    assert "each judged on its own weeks" in verdict.reason


def with_basket(gain: float, half_width: float = 0.02, found: float = 0.25) -> Manifest:
    """As good as what is in use for the next basket, and this much better for open ones."""
    fair = compared(0.0)
    paired = Metric(gain, gain - half_width, gain + half_width)
    return replace(fair, metrics={**fair.metrics, BASKET_METRIC: exactly(found), BASKET_GAIN: paired})


USED_WITH_BASKET = replace(IN_USE_NOW, metrics={**IN_USE_NOW.metrics, BASKET_METRIC: exactly(0.25)})


@given(st.floats(-0.2, 0.2), st.floats(0.0, 0.1))
def test_open_baskets_completed_much_worse_or_provenly_worse_never_pass(gain: float, half_width: float) -> None:
    verdict = judge(with_basket(gain, half_width), USED_WITH_BASKET)
    before = 0.25 - gain
    much, proven = gain < -0.05 * before, gain < -0.01 * before and gain + half_width < 0
    assert verdict.passed == (not much and not proven)
    assert verdict.passed or f"{BASKET_METRIC} 0.2500 against" in verdict.reason


def test_open_baskets_are_judged_by_their_own_weeks_where_both_were_not_compared() -> None:
    alone = replace(with_basket(0.1, found=0.2), parameters={COMPARED_WITH: "another"})
    verdict = judge(alone, USED_WITH_BASKET)
    assert not verdict.passed
    assert f"{BASKET_METRIC} 0.2000 against 0.2500, each judged on its own weeks" in verdict.reason
    assert judge(replace(alone, metrics={**alone.metrics, BASKET_METRIC: exactly(0.24)}), USED_WITH_BASKET).passed


def test_a_version_that_was_never_judged_on_open_baskets_does_not_follow_one_that_was() -> None:
    verdict = judge(compared(0.01), USED_WITH_BASKET)
    assert not verdict.passed
    assert f"no figure {BASKET_METRIC}" in verdict.reason
    assert judge(with_basket(0.0), IN_USE_NOW).passed


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (compared(0.0, coverage=0.2, coverage_before=0.3), "fewer products are ever shown"),
        (compared(0.0, ms=9.0, ms_before=4.0), "slower"),
        (manifest(until="2026-11-20"), "to go back, roll back"),
        (replace(manifest(), metrics={}), "no figure"),
        (manifest(other=exactly(math.nan)), "is not a number"),
        (manifest(other=Metric(0.5, 0.6, 0.7)), "outside of its interval"),
        (replace(manifest(), metrics={GATE_METRIC: exactly(1.5)}), "is no share"),
        (replace(manifest(), window_from="2027-01-01T00:00:00+00:00"), "ends before it begins"),
    ],
)
def test_what_is_bad_is_refused_and_says_why(candidate: Manifest, said: str) -> None:
    verdict = judge(candidate, IN_USE_NOW)
    assert not verdict.passed
    assert said in verdict.reason


def test_small_changes_of_coverage_and_time_pass() -> None:
    assert judge(compared(0.0, coverage=0.29, coverage_before=0.3, ms=1.4, ms_before=1.0), IN_USE_NOW).passed


@given(st.dictionaries(st.sampled_from(["value", "low", "high"]), st.floats(), min_size=1))
def test_no_figure_that_is_no_number_ever_passes(changes: dict[str, float]) -> None:
    metric = replace(exactly(0.2), **changes)
    verdict = judge(replace(manifest(), metrics={GATE_METRIC: metric}), None)
    sound = all(map(math.isfinite, (metric.value, metric.low, metric.high)))
    assert not verdict.passed or (sound and metric.low <= metric.value <= metric.high and 0 <= metric.value <= 1)


class _Broken:
    """A ranker whose scores are what a test wants."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def score(self, features: "np.ndarray[Any, Any]") -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return np.full(features.shape[0], self._answer)


def model(strict: Any = None) -> Model:
    known = catalogue(6)
    return replace(untrained(assortment_of(sorted(known), known)), rankers=Rankers(strict=strict))


def test_a_model_that_ranks_by_formula_has_no_fault() -> None:
    assert list(model_faults(model())) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [(math.nan, "no numbers"), (math.inf, "no numbers"), (ValueError("157 columns"), "other features: 157 columns")],
)
def test_rankers_that_cannot_rank_are_found(answer: Any, said: str) -> None:
    (fault,) = model_faults(model(strict=_Broken(answer)))
    assert said.split(":", maxsplit=1)[0] in fault or "of other features" in fault


def test_vectors_that_are_no_numbers_are_found() -> None:
    found = model()
    found.items.vectors[0, 0] = np.nan
    assert list(model_faults(found)) == ["vectors of products hold what is no number"]


def test_whole_files_of_something_else_are_refused_and_nothing_comes_into_use(tmp_path: Path) -> None:
    registry = Registry(tmp_path, SERVICE)
    files = {**files_of(model()), "arrays.npz": b"no arrays at all"}
    saved = registry.save(replace(manifest(), version=""), files)
    verdict = promote(registry, saved.version, By())
    assert not verdict.passed
    assert "cannot be read as a model" in verdict.reason
    assert registry.current() is None


def test_a_ranker_of_other_features_is_refused(tmp_path: Path) -> None:
    registry = Registry(tmp_path, SERVICE)
    draw = np.random.default_rng(1)
    data = lightgbm.Dataset(draw.normal(size=(200, 3)), draw.integers(0, 2, 200), params={"verbose": -1})
    trees = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 2)
    text = trees.model_to_string().encode()
    saved = registry.save(replace(manifest(), version=""), {**files_of(model()), "ranker-strict.txt": text})
    verdict = promote(registry, saved.version, By())
    assert not verdict.passed
    assert registry.current() is None


def test_versions_held_for_others_stay_when_old_ones_go(tmp_path: Path) -> None:
    registry = Registry(tmp_path, SERVICE)
    saved = [
        registry.save(
            replace(manifest(), version="", created_at=f"2026-11-22T03:00:{second:02d}+00:00"),
            {"a": bytes([second])},
            prune=False,
        ).version
        for second in range(9)
    ]
    gone = registry.prune({saved[1]})
    assert gone == {saved[0], saved[2], saved[3]}
    assert [found.version for found in registry.versions()] == [saved[1], *saved[4:]]
