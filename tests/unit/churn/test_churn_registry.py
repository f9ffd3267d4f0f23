from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.churn.logistic import Logistic
from services.churn.registry import ModelDamaged, NoSuchVersion, NothingToRollBackTo, Registry
from services.churn.scorer import Model, score
from services.churn.training import FeatureHistory, train
from tests.unit.churn.conftest import SETTINGS

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DESCRIPTION: dict[str, Any] = {"code_version": "test", "data": {"end": 308}, "parameters": {"rounds": 60}}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models" / "churn")


def _save(registry: Registry, model: Model, days_later: int = 0) -> str:
    manifest = registry.save(model, DESCRIPTION, {"lapse28": {"auc": 0.85}}, AT + timedelta(days=days_later))
    return manifest.version


def test_a_stored_model_scores_exactly_as_before(registry: Registry, shop: FeatureHistory, model: Model) -> None:
    loaded = registry.load(_save(registry, model))
    before, after = score(model, shop.at(308)), score(loaded, shop.at(308))
    assert np.array_equal(before.lost_by_week, after.lost_by_week, equal_nan=True)
    assert np.array_equal(before.lapse28, after.lapse28, equal_nan=True)
    assert loaded.challengers == model.challengers


def test_rollback_restores_identical_scores(registry: Registry, shop: FeatureHistory, model: Model) -> None:
    other = train(shop, 280, SETTINGS)
    first, second = _save(registry, model), _save(registry, other, 7)
    registry.promote(first, AT, "first")
    before = score(registry.load(first), shop.at(308)).lost_by_week
    registry.promote(second, AT, "better")
    changed = score(registry.load(second), shop.at(308)).lost_by_week
    assert not np.array_equal(before, changed, equal_nan=True)
    pointer = registry.rollback(AT, "complaints")
    assert pointer.version == first
    assert np.array_equal(score(registry.load(pointer.version), shop.at(308)).lost_by_week, before, equal_nan=True)


def test_the_manifest_tells_what_the_version_is_made_of(registry: Registry, model: Model) -> None:
    manifest = registry.manifest(_save(registry, model))
    assert (manifest.data, manifest.parameters, manifest.code_version) == (
        DESCRIPTION["data"],
        DESCRIPTION["parameters"],
        "test",
    )
    assert manifest.metrics == {"lapse28": {"auc": 0.85}}
    assert manifest.created_at == AT.isoformat()


def test_a_changed_file_is_not_trusted(registry: Registry, model: Model, tmp_path: Path) -> None:
    version = _save(registry, model)
    path = tmp_path / "models" / "churn" / version / "hazard.txt"
    path.write_text(path.read_text().replace("Tree=1\n", "Tree=2\n", 1))
    with pytest.raises(ModelDamaged, match=r"hazard\.txt differs"):
        registry.load(version)
    path.unlink()
    with pytest.raises(ModelDamaged, match=r"hazard\.txt is missing"):
        registry.load(version)


def test_the_last_five_are_kept_and_the_one_in_use_always(registry: Registry, model: Model) -> None:
    versions = [_save(registry, model)]
    registry.promote(versions[0], AT, "first")
    versions += [_save(registry, model, day) for day in range(1, 8)]
    kept = [manifest.version for manifest in registry.versions()]
    assert kept == [*reversed(versions[-5:]), versions[0]]


def test_storing_is_not_promoting(registry: Registry, model: Model) -> None:
    _save(registry, model)
    assert registry.current() is None


def test_promoting_the_version_in_use_changes_nothing(registry: Registry, model: Model) -> None:
    version = _save(registry, model)
    first = registry.promote(version, AT, "first")
    assert registry.promote(version, AT + timedelta(days=1), "again") == first


def test_an_unknown_version_is_neither_promoted_nor_loaded(registry: Registry) -> None:
    for version in ("20260101T000000Z-00000000", "../elsewhere", ".draft-1"):
        with pytest.raises(NoSuchVersion):
            registry.promote(version, AT, "why")
        with pytest.raises(NoSuchVersion):
            registry.load(version)


def test_without_an_earlier_version_there_is_no_rollback(registry: Registry, model: Model) -> None:
    with pytest.raises(NothingToRollBackTo):
        registry.rollback(AT, "why")
    registry.promote(_save(registry, model), AT, "first")
    with pytest.raises(NothingToRollBackTo):
        registry.rollback(AT, "why")


def test_a_model_of_the_fallback_is_stored_too(registry: Registry, shop: FeatureHistory, model: Model) -> None:
    plain = model.challengers["lapse28"]
    fallback = Model(model.hazard, plain, model.challengers["partial56"], model.challengers)
    loaded = registry.load(_save(registry, fallback))
    assert isinstance(loaded.lapse28, Logistic)
    assert np.array_equal(score(loaded, shop.at(308)).lapse28, score(fallback, shop.at(308)).lapse28, equal_nan=True)


def test_a_draft_left_by_a_crash_is_not_a_version(registry: Registry, model: Model, tmp_path: Path) -> None:
    draft = tmp_path / "models" / "churn" / ".draft-crashed"
    draft.mkdir()
    (draft / "hazard.txt").write_text("half")
    version = _save(registry, model)
    assert [manifest.version for manifest in registry.versions()] == [version]
