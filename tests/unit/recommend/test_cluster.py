"""Training on a Dask cluster: the export keeps every bit, and the model is that of one machine but for noise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regulars.evaluation.recommend import cluster
from regulars.evaluation.recommend.cluster import (
    DaskMissingError,
    comparison,
    fit_on_cluster,
    local_cluster,
    read_examples,
    write_examples,
)
from regulars.evaluation.recommend.data import evaluated
from services.recommend.ranking.ranker import Examples, fit
from tests.unit.recommend.factories import catalogue, town


def examples(rows: int = 3000, seed: int = 3) -> Examples:
    """Labels that follow the first two of five columns."""
    draw = np.random.default_rng(seed)
    features = draw.standard_normal((rows, 5)).astype(np.float32)
    chance = 1 / (1 + np.exp(-(2 * features[:, 0] - features[:, 1])))
    labels = (draw.random(rows) < chance).astype(np.float32)
    return Examples(features, labels, draw.uniform(0.5, 2, rows), tuple("abcde"))


def test_export_keeps_every_bit(tmp_path: Path) -> None:
    whole = examples(101)
    whole.features[3, 1] = np.nan
    files = write_examples(whole, tmp_path, parts=2)
    back = [read_examples(path) for path in files]
    assert [part.labels.size for part in back] == [51, 50]
    for start, part in enumerate(back):
        assert part.names == whole.names
        assert part.features.tobytes() == np.ascontiguousarray(whole.features[start::2]).tobytes()
        assert part.labels.tolist() == whole.labels[start::2].tolist()
        assert part.weights.tolist() == whole.weights[start::2].tolist()


@pytest.mark.timeout(300)
def test_model_of_a_real_cluster_orders_as_that_of_one_machine(tmp_path: Path) -> None:
    learned, seen = examples(), examples(seed=4).features
    settings: dict[str, Any] = {
        "num_leaves": 7,
        "min_data_in_leaf": 20,
        "feature_fraction": 1.0,
        "bagging_fraction": 1.0,
    }
    alone = fit(learned, 30, **settings).score(seen)
    with local_cluster() as client:
        together = fit_on_cluster(client, write_examples(learned, tmp_path), 30, **settings).score(seen)
    assert np.corrcoef(alone, together)[0, 1] > 0.99


@pytest.mark.timeout(300)
def test_both_find_as_much_within_noise() -> None:
    told: list[str] = []
    found = comparison(evaluated("town", town(), catalogue(60)), told.append)
    assert found.baskets > 20
    difference, low, high = found.differences["hit@10"]
    assert difference == pytest.approx(found.cluster["hit@10"] - found.one_machine["hit@10"])
    assert low <= 0 <= high
    assert any("workers" in line for line in told)


def test_without_dask_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(cluster, "import_module", missing)
    with pytest.raises(DaskMissingError, match=r"requirements/dask\.txt"), local_cluster():
        pass
