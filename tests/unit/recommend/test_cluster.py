"""Training on a Dask cluster: the export keeps every bit, and the model is that of one machine but for noise."""

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from regulars.cli.evaluate_recommend import render_comparison
from regulars.evaluation.recommend import cluster
from regulars.evaluation.recommend.cluster import (
    DaskMissingError,
    fit_on_cluster,
    local_cluster,
    read_examples,
    write_examples,
)
from regulars.evaluation.recommend.cluster_comparison import Comparison, comparison
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
def test_model_of_a_real_cluster_orders_as_that_of_one_machine(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
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
    assert not capfd.readouterr().out, "what workers say would be inside of what --json prints"


NOISE = 0.12
"""Of a share among forty lists; what learned nothing, or other rows' labels, finds half as much."""


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def found(told: list[str]) -> Comparison:
    return comparison(evaluated("town", town(), catalogue(60)), told.append)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("ranker", "figure"), [("next basket", "recall@10"), ("open basket", "hit@10")])
def test_both_find_as_much_but_for_noise(found: Comparison, told: list[str], ranker: str, figure: str) -> None:
    compared = found.rankers[ranker]
    assert compared.lists > 20
    difference, low, high = compared.differences[figure]
    assert difference == pytest.approx(compared.cluster[figure] - compared.one_machine[figure])
    assert low <= difference <= high
    # Workers take rows as they come: no two runs are alike, and of twenty such intervals one leaves out zero.
    assert abs(difference) < NOISE
    assert any(line.startswith(ranker) and "workers" in line for line in told)


def test_comparison_is_printed_for_a_person(found: Comparison) -> None:
    text = StringIO()
    render_comparison(found, Console(file=text, width=200))
    assert "next basket: 40 lists of town" in text.getvalue()
    assert "2 workers" in text.getvalue()


def test_without_dask_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(cluster, "import_module", missing)
    with pytest.raises(DaskMissingError, match=r"requirements/dask\.txt"), local_cluster():
        pass
