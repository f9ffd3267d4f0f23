"""The registry of trained versions: whole or absent, checked, gated, and rolled back by a pointer."""

import json
from pathlib import Path

import pytest

from shared.registry import (
    CorruptArtefactError,
    Manifest,
    Metric,
    Registry,
    RegistryError,
    UnknownVersionError,
    Verdict,
    code_version,
    not_worse,
)


def manifest(second: int = 0, recall: float = 0.2) -> Manifest:
    return Manifest(
        service="recommend",
        created_at=f"2026-11-22T10:00:{second:02d}+00:00",
        window_from="2026-01-01T00:00:00+00:00",
        window_until="2026-11-22T00:00:00+00:00",
        code_version="abc",
        parameters={"rounds": 200},
        metrics={"recall@10": Metric(recall, recall - 0.01, recall + 0.01)},
        segments={"light": {"recall@10": Metric(0.1, 0.1, 0.1)}},
    )


def always(_: Manifest, __: Manifest | None) -> Verdict:
    return Verdict(passed=True, reason="always")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models", "recommend")


def test_saved_version_reads_back_with_its_manifest(registry: Registry) -> None:
    saved = registry.save(manifest(), {"ranker.txt": b"tree", "arrays.npz": b"\x00\x01"})
    stored = registry.load(saved.version)
    assert dict(stored.files) == {"ranker.txt": b"tree", "arrays.npz": b"\x00\x01"}
    assert stored.manifest == saved
    assert stored.manifest.metrics["recall@10"].low == pytest.approx(0.19)
    assert stored.manifest.segments["light"]["recall@10"].value == 0.1


def test_saving_promotes_nothing(registry: Registry) -> None:
    registry.save(manifest(), {"a": b"1"})
    assert registry.current() is None
    with pytest.raises(UnknownVersionError, match="no version was promoted"):
        registry.load()


def test_promoted_version_is_the_one_loaded(registry: Registry) -> None:
    saved = registry.save(manifest(), {"a": b"1"})
    assert registry.promote(saved.version, not_worse("recall@10")).passed
    assert registry.load().manifest.version == saved.version


def test_gate_refuses_a_worse_version_and_says_why(registry: Registry) -> None:
    first = registry.save(manifest(0, 0.20), {"a": b"1"})
    worse = registry.save(manifest(1, 0.19), {"a": b"2"})
    registry.promote(first.version, not_worse("recall@10"))
    verdict = registry.promote(worse.version, not_worse("recall@10"))
    assert not verdict.passed
    assert "0.1900 against 0.2000" in verdict.reason
    assert registry.current() == first.version


def test_gate_allows_a_fall_within_tolerance(registry: Registry) -> None:
    first = registry.save(manifest(0, 0.200), {"a": b"1"})
    close = registry.save(manifest(1, 0.199), {"a": b"2"})
    registry.promote(first.version, not_worse("recall@10"))
    assert registry.promote(close.version, not_worse("recall@10")).passed


def test_gate_refuses_a_version_without_the_metric(registry: Registry) -> None:
    saved = registry.save(manifest(), {"a": b"1"})
    assert not registry.promote(saved.version, not_worse("auc")).passed


def test_rollback_returns_to_the_version_before(registry: Registry) -> None:
    first, second = (registry.save(manifest(n), {"a": bytes([n])}) for n in range(2))
    registry.promote(first.version, always)
    registry.promote(second.version, always)
    assert registry.rollback() == first.version
    assert registry.load().manifest.version == first.version
    with pytest.raises(UnknownVersionError, match="no earlier version"):
        registry.rollback()


def test_last_five_versions_stay(registry: Registry) -> None:
    saved = [registry.save(manifest(n), {"a": bytes([n])}).version for n in range(8)]
    assert [found.version for found in registry.versions()] == saved[-5:]


def test_version_in_use_and_the_one_before_survive_five_newer_ones(registry: Registry) -> None:
    first, second = (registry.save(manifest(n), {"a": bytes([n])}) for n in range(2))
    registry.promote(first.version, always)
    registry.promote(second.version, always)
    for n in range(2, 10):
        registry.save(manifest(n), {"a": bytes([n])})
    assert registry.load().manifest.version == second.version
    assert registry.rollback() == first.version


def test_altered_file_is_refused(registry: Registry, tmp_path: Path) -> None:
    saved = registry.save(manifest(), {"a": b"1"})
    (tmp_path / "models" / "recommend" / saved.version / "a").write_bytes(b"2")
    with pytest.raises(CorruptArtefactError, match="differs from its manifest"):
        registry.load(saved.version)
    with pytest.raises(CorruptArtefactError):
        registry.promote(saved.version, always)


def test_missing_file_and_broken_manifest_are_refused(registry: Registry, tmp_path: Path) -> None:
    saved = registry.save(manifest(), {"a": b"1"})
    folder = tmp_path / "models" / "recommend" / saved.version
    (folder / "a").unlink()
    with pytest.raises(CorruptArtefactError, match="cannot be read"):
        registry.load(saved.version)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(CorruptArtefactError, match="manifest"):
        registry.load(saved.version)


def test_half_written_version_is_not_listed(registry: Registry, tmp_path: Path) -> None:
    registry.save(manifest(), {"a": b"1"})
    staging = tmp_path / "models" / "recommend" / ".staging-x"
    staging.mkdir()
    (staging / "manifest.json").write_text(json.dumps({}))
    assert len(registry.versions()) == 1


@pytest.mark.parametrize("name", ["../escape", "", ".hidden", "a/b", "manifest.json"])
def test_unusable_file_names_are_refused(registry: Registry, name: str) -> None:
    with pytest.raises(RegistryError):
        registry.save(manifest(), {name: b"1"})


def test_unknown_version_is_named(registry: Registry) -> None:
    with pytest.raises(UnknownVersionError, match="20990101"):
        registry.load("20990101")


def test_services_do_not_share_versions(tmp_path: Path) -> None:
    Registry(tmp_path, "recommend").save(manifest(), {"a": b"1"})
    assert Registry(tmp_path, "churn").versions() == []


def test_code_version_follows_the_source(tmp_path: Path) -> None:
    source = tmp_path / "features.py"
    source.write_text("x = 1")
    before = code_version(tmp_path)
    source.write_text("x = 2")
    assert code_version(tmp_path) != before
