from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from services.churn import gate
from services.churn.artefacts import OutdatedModel, factors, files_of, manifest_of, model_of
from services.churn.candidate import CODE_VERSION, Candidate
from services.churn.fallback import rule_model
from services.churn.features import FAMILIES
from services.churn.logistic import Logistic
from services.churn.scorer import Model, score
from services.churn.training import FeatureHistory, train
from shared.registry import CorruptArtefactError, Registry, Verdict
from tests.unit.churn.conftest import SETTINGS

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DAY = 308


def _candidate(model: Model) -> Candidate:
    part = {"rows": 10, "base": 0.1, "auc": 0.8, "auc_interval": [0.7, 0.9], "ap": float("nan"), "brier": 0.1}
    figures = {"lapse28": {**part, "ece": 0.01, "auc_by_value_tier": [None, 0.8, float("nan")]}}
    data = {
        "first_day": 736330,
        "last_day": 736400,
        "end": 736401,
        "held_out_from": 736345,
        "customers": 1,
        "visits": 9,
    }
    description = {"code_version": CODE_VERSION, "parameters": {"rounds": 40}, "data": data}
    return Candidate(model, 736401, figures, gate.Verdict(passed=False, failures=("too little",)), description)


def _save(registry: Registry, model: Model, shop: FeatureHistory) -> str:
    return registry.save(manifest_of(_candidate(model), AT), files_of(model, shop.at(DAY))).version


def _load(registry: Registry, version: str | None = None) -> Model:
    stored = registry.load(version)
    return model_of(stored.manifest, stored.files)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models", "churn")


def test_a_stored_model_scores_exactly_as_before(registry: Registry, shop: FeatureHistory, model: Model) -> None:
    loaded = _load(registry, _save(registry, model, shop))
    before, after = score(model, shop.at(DAY)), score(loaded, shop.at(DAY))
    assert np.array_equal(before.lost_by_week, after.lost_by_week, equal_nan=True)
    assert np.array_equal(before.lapse28, after.lapse28, equal_nan=True)
    assert loaded.challengers == model.challengers


def test_rollback_restores_identical_scores(registry: Registry, shop: FeatureHistory, model: Model) -> None:
    other = train(shop, 280, SETTINGS)
    for each in (model, other):
        registry.promote(_save(registry, each, shop), lambda _new, _old: Verdict(passed=True, reason="test"))
    assert not np.array_equal(score(_load(registry), shop.at(DAY)).lapse28, score(model, shop.at(DAY)).lapse28)
    registry.rollback()
    restored = score(_load(registry), shop.at(DAY)).lost_by_week
    assert np.array_equal(restored, score(model, shop.at(DAY)).lost_by_week, equal_nan=True)


def test_a_changed_file_is_not_trusted(
    registry: Registry, shop: FeatureHistory, model: Model, tmp_path: Path
) -> None:
    version = _save(registry, model, shop)
    path = tmp_path / "models" / "churn" / version / "hazard.txt"
    path.write_text(path.read_text().replace("Tree=1\n", "Tree=2\n", 1))
    with pytest.raises(CorruptArtefactError, match=r"hazard\.txt"):
        _load(registry, version)


def test_a_head_of_the_logistic_regression_is_stored_too(
    registry: Registry, shop: FeatureHistory, model: Model
) -> None:
    few = Model(model.hazard, model.challengers["lapse28"], model.challengers["partial56"], model.challengers)
    loaded = _load(registry, _save(registry, few, shop))
    assert isinstance(loaded.lapse28, Logistic)
    assert np.array_equal(score(loaded, shop.at(DAY)).lapse28, score(few, shop.at(DAY)).lapse28, equal_nan=True)


def test_a_model_of_other_features_is_not_used(registry: Registry, shop: FeatureHistory, model: Model) -> None:
    stored = registry.load(_save(registry, model, shop))
    with pytest.raises(OutdatedModel, match="features-0"):
        model_of(replace(stored.manifest, code_version="features-0"), stored.files)


def test_the_manifest_tells_data_figures_and_verdict(model: Model) -> None:
    manifest = manifest_of(_candidate(model), AT)
    assert (manifest.window_from, manifest.window_until) == ("2017-01-01", "2017-03-12")
    assert manifest.parameters["gate"] == {"passed": False, "failures": ["too little"]}
    assert (manifest.metrics["lapse28.auc"].low, manifest.metrics["lapse28.auc"].high) == (0.7, 0.9)


def test_a_figure_that_could_not_be_computed_is_left_out(model: Model) -> None:
    manifest = manifest_of(_candidate(model), AT)
    assert "lapse28.ap" not in manifest.metrics
    assert list(manifest.segments) == ["value_tier_1"]


def test_the_factors_share_everything_among_the_families(shop: FeatureHistory, model: Model) -> None:
    found = factors(model, shop.at(DAY))
    assert {row["family"] for row in found} == set(FAMILIES)
    assert sum(row["share"] for row in found) == pytest.approx(1.0)
    assert found == sorted(found, key=lambda row: -row["share"])


def test_the_rule_is_driven_by_silence_alone(shop: FeatureHistory) -> None:
    first = factors(rule_model(), shop.at(DAY))[0]
    assert (first["family"], first["share"]) == ("silence", 1.0)
