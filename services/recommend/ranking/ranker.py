"""Owns the trained ranker: LightGBM over candidate features, weighted so that a hit in a small basket counts more."""

from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np

from services.recommend.history import Floats, Matrix

DEFAULT_PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 200,
    "lambda_l2": 5.0,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    # What cannot be split is found out while training: a sample of the rows, which bins are made of, does not know.
    "feature_pre_filter": False,
    # Finding bins takes twelve bytes a value of these rows; there are 63 to be found.
    "bin_construct_sample_cnt": 50_000,
    "verbosity": -1,
    "seed": 7,
}
DEFAULT_ROUNDS = 200


@dataclass(frozen=True)
class Examples:
    """Training rows: features, whether the product was in the target basket, and 1/IDCG of that basket as weight."""

    features: Matrix
    labels: Matrix
    weights: Floats | Matrix
    names: tuple[str, ...] = field(default=())


class Ranker:
    """A fitted model. Scores order products; trained on weighted rows, they are no calibrated probabilities."""

    def __init__(self, booster: lgb.Booster) -> None:
        """Wrap a booster."""
        self._booster = booster

    def score(self, features: Matrix) -> Floats:
        """Return one score per row. Raises ValueError when the number of columns differs from the training's."""
        if features.shape[1] != self._booster.num_feature():
            raise ValueError(f"{features.shape[1]} features given, {self._booster.num_feature()} learned")
        if not features.shape[0]:
            return np.zeros(0)
        return np.asarray(self._booster.predict(features, num_threads=1), np.float64)

    def gains(self) -> dict[str, float]:
        """Return each feature's share of the gain, largest first."""
        gain = self._booster.feature_importance("gain")
        shares = gain / max(float(gain.sum()), 1e-12)
        named = zip(self._booster.feature_name(), shares.tolist(), strict=True)
        return dict(sorted(named, key=lambda pair: -pair[1]))

    def to_text(self) -> str:
        return str(self._booster.model_to_string())


def fit(examples: Examples, rounds: int | None = None, seed: int = 7, **parameters: Any) -> Ranker:  # noqa: ANN401
    """Fit on examples; `parameters` override LightGBM's settings. Raises ValueError without a positive example."""
    if not examples.labels.any():
        raise ValueError("no example is positive: there is nothing to learn")
    # One thread: its threads wait for each other busily, which on a machine that does something else takes for ever.
    settings = {**DEFAULT_PARAMETERS, "num_threads": 1, **parameters, "seed": seed}
    return Ranker(lgb.train(settings, _dataset(examples, settings), num_boost_round=rounds or DEFAULT_ROUNDS))


class _Blocks(lgb.Sequence):
    """A table read a block of rows at a time."""

    batch_size = 1 << 14

    def __init__(self, rows: Matrix) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return int(self._rows.shape[0])

    def __getitem__(self, index: Any) -> Matrix:  # noqa: ANN401 - whatever LightGBM asks a sequence for
        return np.ascontiguousarray(self._rows[index])


def _dataset(examples: Examples, settings: dict[str, Any]) -> lgb.Dataset:
    """Return the examples as LightGBM keeps them, with no more of the table in memory than there is already."""
    features = examples.features
    about: dict[str, Any] = {
        "label": examples.labels,
        "weight": examples.weights / examples.weights.mean(),
        "feature_name": list(examples.names) or "auto",
        "params": settings,
    }
    if features.flags.c_contiguous:
        return lgb.Dataset(features, **about)
    # Of a table whose rows do not lie side by side, as of a wider one's first columns, it would make a whole copy.
    count = features.shape[0]
    drawn = np.random.default_rng(settings["seed"]).permutation(count)[: settings["bin_construct_sample_cnt"]]
    bins = lgb.Dataset(features[np.sort(drawn)], feature_name=about["feature_name"], params=settings)
    return lgb.Dataset(_Blocks(features), reference=bins, **about)


def ranker_from_text(text: str) -> Ranker:
    """Read a ranker written by `to_text`."""
    return Ranker(lgb.Booster(model_str=text))
