"""Owns `evaluate churn --data cdnow`: only purchase times known, 39 weeks learned, 39 weeks held out."""

import time
from collections.abc import Callable, Sequence
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from services.churn import accuracy
from services.churn.purchases import Histories, fit_pareto_nbd
from services.churn.visits import Floats, Ints

CALIBRATION_END = date(1997, 9, 30)
HOLDOUT_END = date(1998, 6, 30)
WEEKS_AHEAD = 39.0


def evaluate_cdnow(progress: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Fit Pareto/NBD on the public sample of 2,357 customers and judge the next 39 weeks."""
    started = time.monotonic()
    table = _sample()
    past = Histories(*(table[name].to_numpy().astype(np.float64) for name in ("repeats", "last", "observed")))
    bought = table["bought"].to_numpy().astype(np.float64)
    if progress:
        progress(f"fitting Pareto/NBD on {len(bought)} customers")
    model = fit_pareto_nbd(past)
    silence = past.observed - past.last
    pace = (past.repeats / past.observed) * WEEKS_AHEAD
    return {
        "data": "cdnow",
        "customers": len(bought),
        "base": float((bought > 0).mean()),
        "cdnow": _figures(bought, model.expected(past, WEEKS_AHEAD)),
        "parameters": {"r": model.r, "alpha": model.alpha, "s": model.s, "beta": model.beta},
        "baselines": {
            "recency": {"cdnow": {"auc": accuracy.auc(bought > 0, -silence), "mae": None, "correlation": None}},
            "own_pace": {"cdnow": _figures(bought, pace)},
            "probability_alive": {
                "cdnow": {"auc": accuracy.auc(bought > 0, model.alive(past)), "mae": None, "correlation": None}
            },
        },
        "seconds": round(time.monotonic() - started, 1),
    }


def _figures(bought: Floats, expected: Floats) -> dict[str, Any]:
    def area(rows: Sequence[Ints]) -> float:
        return accuracy.auc(bought[rows[0]] > 0, expected[rows[0]])

    return {
        "auc": accuracy.auc(bought > 0, expected),
        "ap": accuracy.average_precision(bought > 0, expected),
        "mae": float(np.abs(expected - bought).mean()),
        "rmse": float(np.sqrt(((expected - bought) ** 2).mean())),
        "correlation": float(np.corrcoef(expected, bought)[0, 1]),
        "total": float(expected.sum() / bought.sum()),
        "intervals": {"auc": list(accuracy.interval([np.arange(len(bought))], area))},
    }


def _sample() -> pl.DataFrame:
    """One row per customer: repeats, last and observed in weeks at the end of September, bought after."""
    days = _purchase_days()
    learned = pl.col("date") <= CALIBRATION_END
    first = pl.col("date").min()
    weeks = (pl.col("date").filter(learned).max() - first).dt.total_days() / 7
    return (
        days.group_by("customer")
        .agg(
            (learned.sum() - 1).alias("repeats"),
            weeks.alias("last"),
            ((pl.lit(CALIBRATION_END) - first).dt.total_days() / 7).alias("observed"),
            ((pl.col("date") > CALIBRATION_END) & (pl.col("date") <= HOLDOUT_END)).sum().alias("bought"),
        )
        .sort("customer")
    )


def _purchase_days() -> pl.DataFrame:
    spec = find_spec("lifetimes")  # for its data file only: importing it pulls in plotting
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package lifetimes, which ships the CDNOW data, is not installed")
    path = Path(spec.origin).parent / "datasets" / "CDNOW_sample.txt"
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    frame = pl.DataFrame({"customer": [row[1] for row in rows], "date": [row[2] for row in rows]})
    return frame.with_columns(pl.col("date").str.to_date("%Y%m%d")).unique()
