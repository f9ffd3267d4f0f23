"""Owns fitting a ranker on a Dask cluster from a Parquet export of examples, where these outgrow one machine.

Nothing else uses dask, and no service needs it: `requirements/dask.txt` installs it beside the rest.
"""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from services.recommend.history import Floats, Matrix
from services.recommend.ranking.ranker import DEFAULT_PARAMETERS, Examples, Ranker, ranker_from_text

LABEL, WEIGHT = "label", "weight"
WORKERS = 2
_OF_ONE_MACHINE = ("force_row_wise", "deterministic")
_COLUMNS = ("features", "labels", "weights")


class DaskMissingError(RuntimeError):
    """Dask is not installed."""


def write_examples(examples: Examples, folder: Path, parts: int = WORKERS) -> list[Path]:
    """Write the examples as Parquet files of alternating rows; features stay float32, bit by bit."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"examples-{part}.parquet" for part in range(parts)]
    for part, path in enumerate(files):
        _frame(examples, slice(part, None, parts)).write_parquet(path)
    return files


def read_examples(path: Path) -> Examples:
    """Read one file back."""
    frame = pl.read_parquet(path)
    names = tuple(name for name in frame.columns if name not in {LABEL, WEIGHT})
    features = np.asarray(frame.select(names).to_numpy(), np.float32)
    return Examples(features, frame[LABEL].to_numpy(), frame[WEIGHT].to_numpy(), names)


@contextmanager
def local_cluster(workers: int = WORKERS) -> Iterator[Any]:
    """Run workers of one thread each on this machine, and end them. Raises DaskMissingError.

    What workers and LightGBM say meanwhile goes to standard error: standard output may be one JSON document.
    """
    try:
        distributed = import_module("distributed")
    except ImportError as missing:
        install = "uv pip install --require-hashes -r requirements/dask.txt"
        raise DaskMissingError(f"dask is not installed: {install}") from missing
    where = {"dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with (
        _told_aside(),
        distributed.LocalCluster(n_workers=workers, threads_per_worker=1, **where) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def _told_aside() -> Iterator[None]:
    """Let this process, and those that it starts, write to standard error what they mean for standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def fit_on_cluster(client: Any, files: Sequence[Path], rounds: int, **parameters: Any) -> Ranker:  # noqa: ANN401
    """Fit on the files, each read by a worker; trees split on histograms that the workers add up.

    The rows are those of one machine; bins are found on each worker's own share, so trees may differ a little.
    """
    over_dask = import_module("lightgbm.dask")
    features, labels, weights = (_blocks(files, column) for column in _COLUMNS)
    settings = {name: value for name, value in DEFAULT_PARAMETERS.items() if name not in _OF_ONE_MACHINE}
    objective = {"objective": "binary", "tree_learner": "data", "n_estimators": rounds}
    estimator = over_dask.DaskLGBMRegressor(client=client, **{**settings, **objective, **parameters})
    with warnings.catch_warnings():
        # LightGBM tells its own default of n_jobs that it is not needed here.
        warnings.filterwarnings("ignore", message=r"Parameter \w+ will be ignored")
        fitted = estimator.fit(features, labels, sample_weight=weights)
    return ranker_from_text(fitted.booster_.model_to_string())


def _blocks(files: Sequence[Path], column: str) -> Any:  # noqa: ANN401 - a dask array
    dask, arrays = import_module("dask"), import_module("dask.array")
    weights = pl.concat([pl.scan_parquet(path).select(WEIGHT) for path in files]).collect()[WEIGHT]
    mean = float(weights.to_numpy().mean())
    width = len(pl.read_parquet_schema(files[0])) - 2
    parts = []
    for path in files:
        rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
        shape = (rows, width) if column == "features" else (rows,)
        block = dask.delayed(partial(_column, path, column, mean))()
        parts.append(arrays.from_delayed(block, shape, np.float32 if column == "features" else np.float64))
    return arrays.concatenate(parts)


def _column(path: Path, column: str, mean_weight: float) -> Matrix | Floats:
    """Read a worker's own file, on the worker."""
    examples = read_examples(path)
    if column == "weights":
        return examples.weights / mean_weight
    return examples.features if column == "features" else examples.labels.astype(np.float64)


def _frame(examples: Examples, rows: slice) -> pl.DataFrame:
    names = examples.names or tuple(f"feature_{column}" for column in range(examples.features.shape[1]))
    features = pl.DataFrame(np.asarray(examples.features[rows], np.float32), schema=list(names), orient="row")
    weights = np.asarray(examples.weights[rows], np.float64)
    return features.with_columns(pl.Series(LABEL, examples.labels[rows]), pl.Series(WEIGHT, weights))
