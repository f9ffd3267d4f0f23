"""A version without its nets still ranks: by its trees, whether the file is missing, damaged or was never there."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from services.recommend.domain.purchases import days_since_epoch
from services.recommend.model import SPARE_FILES, Model, files_of, model_of
from services.recommend.ranking.features import FEATURE_NAMES
from services.recommend.ranking.rankers import Ranking
from services.recommend.registry import SERVICE, load_model
from services.recommend.training.fitting import train
from shared.registry import CorruptArtefactError, Manifest, Registry
from tests.unit.recommend.factories import catalogue, dataset, day, town

ROWS = np.random.default_rng(0).random((5, len(FEATURE_NAMES))).astype(np.float32)
BLANK = Manifest("recommend", "2026-11-22T10:00:00+00:00", "", "", "")


@pytest.fixture(scope="module")
def model() -> Model:
    return train(*dataset(town(customers=15)), days_since_epoch(day(150)))


@pytest.fixture(scope="module")
def files(model: Model) -> Mapping[str, bytes]:
    return files_of(model)


def strict(model: Model) -> Ranking:
    assert model.rankers.strict is not None
    return model.rankers.strict


def test_trained_version_ranks_by_nets_and_keeps_trees_beside_them(model: Model) -> None:
    ranking = strict(model)
    assert ranking.nets is not None
    assert ranking.trees is not None
    assert ranking.score(ROWS).tolist() == ranking.nets.score(ROWS).tolist()
    assert sum(ranking.trees.gains().values()) == pytest.approx(1.0)


def test_version_holds_the_files_that_it_can_spare(files: Mapping[str, bytes]) -> None:
    assert set(files) >= SPARE_FILES


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_version_whose_nets_are_lost_ranks_by_its_trees(
    tmp_path: Path, model: Model, files: Mapping[str, bytes], damage: str
) -> None:
    registry = Registry(tmp_path, SERVICE)
    version = registry.save(BLANK, files).version
    for name in SPARE_FILES:
        path = tmp_path / SERVICE / version / name
        path.unlink() if damage == "missing" else path.write_bytes(b"\x00" * 100)
    read = strict(load_model(registry, catalogue(60), version))
    trees = strict(model).trees
    assert read.nets is None
    assert trees is not None
    assert read.score(ROWS).tolist() == trees.score(ROWS).tolist()


def test_version_whose_trees_are_damaged_is_refused(tmp_path: Path, files: Mapping[str, bytes]) -> None:
    registry = Registry(tmp_path, SERVICE)
    version = registry.save(BLANK, files).version
    (tmp_path / SERVICE / version / "ranker-strict.txt").write_bytes(b"?")
    with pytest.raises(CorruptArtefactError):
        load_model(registry, catalogue(60), version)


def test_version_of_trees_alone_is_read(files: Mapping[str, bytes]) -> None:
    bare = {name: body for name, body in files.items() if name not in SPARE_FILES}
    assert strict(model_of(bare, catalogue(60), "v")).nets is None


def test_ranking_of_nothing_says_so() -> None:
    with pytest.raises(ValueError, match="neither nets nor trees"):
        Ranking().score(ROWS)
