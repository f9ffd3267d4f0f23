"""Owns judging "due": are its probabilities true, does it beat plain gaps, how far off are its dates.

Everything is fitted before a moment and judged on what was bought after it: probabilities on the last four weeks,
dates on the last sixteen, because a date needs time to come. A row is a customer and a product (or product type)
bought on at least two days before the moment; intervals are over customers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from regulars.evaluation.progress import Progress
from regulars.evaluation.recommend.data import Evaluated
from services.recommend.domain.due import CHANCE_DAYS, LATE_RATIO, MIN_PURCHASES, SAID_FROM_CHANCE, SAID_FROM_RATIO
from services.recommend.generators.rhythm import HORIZONS_DAYS, Rhythms, expected
from services.recommend.history import Bools, Floats, Ints
from services.recommend.training.dataset import Dataset
from services.recommend.training.origins import TooLittleDataError
from services.recommend.training.rhythm import LEAST_DAYS, Moment, fit_rhythms, moment_at

DATES_DAYS = 112.0
DRAWS = 200
BINS = 20


@dataclass(frozen=True)
class Rows:
    """One row per customer and key; probabilities and outcomes are horizon x row. Days count from the moment."""

    customer: Ints
    key: Ints
    count: Ints
    silence: Floats
    median_gap: Floats
    mean_gap: Floats
    until: Floats
    probability: Floats
    days: Floats

    @property
    def bought(self) -> Bools:
        return self.until[None, :] < np.array(HORIZONS_DAYS)[:, None]


@dataclass(frozen=True)
class Level:
    """Products, or product types."""

    name: str
    keys: Ints
    key_count: int


def evaluate_due(data: Evaluated, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Judge both levels. Raises TooLittleDataError when the receipts are too few."""
    types = data.assortment.level("product_type")
    levels = [Level("product", np.arange(len(data.dataset.product_ids)), len(data.dataset.product_ids))]
    if (types >= 0).any():
        levels.append(Level("product_type", types, int(types.max()) + 1))
    end = float(np.floor(data.dataset.at.max()))
    return {
        "data": data.name,
        "part": "due",
        "levels": {level.name: _level(data.dataset, level, end, progress) for level in levels},
        "notes": [
            f"rows: bought on {LEAST_DAYS} days or more before the moment; what is fitted has seen nothing later",
            f"dates: bought on {MIN_PURCHASES} days or more, and again before the data end",
        ],
    }


def _level(dataset: Dataset, level: Level, end: float, progress: Progress) -> dict[str, Any]:
    progress(f"learning the rhythms of each {level.name.replace('_', ' ')}")
    cut = end - max(HORIZONS_DAYS)
    rhythms, now = _fitted(dataset, level, cut), moment_at(dataset, level.keys, cut)
    before = rows_of(moment_at(dataset, level.keys, cut - max(HORIZONS_DAYS)), rhythms)
    rows = rows_of(now, rhythms)
    progress("judging probabilities")
    rules = _rules(before, rows)
    early = end - DATES_DAYS
    dated = rows_of(moment_at(dataset, level.keys, early, until=end), _fitted(dataset, level, early))
    return {
        "rows": int(rows.key.size),
        "customers": int(np.unique(rows.customer).size),
        "horizons": {
            str(days): _horizon(rows, {name: rule[place] for name, rule in rules.items()}, before, place)
            for place, days in enumerate(HORIZONS_DAYS)
        },
        "said": {"learned": _said(rows, _is_said(rows)), "median_rule": _said(rows, _in_rhythm(rows))},
        "dates": _dates(dated),
    }


def _fitted(dataset: Dataset, level: Level, as_of: float) -> Rhythms:
    rhythms = fit_rhythms(dataset, level.keys, level.key_count, as_of)
    if rhythms is None:
        raise TooLittleDataError("the rhythm of things needs 24 weeks of receipts: eight to look at, four to predict")
    return rhythms


def rows_of(moment: Moment, rhythms: Rhythms) -> Rows:
    """Lay out everything with a gap, as the serving code sees it."""
    parts: list[tuple[Any, ...]] = []
    for customer, (found, shopping, until) in enumerate(
        zip(moment.occasions, moment.shopping, moment.days_until, strict=True)
    ):
        use = found.count >= LEAST_DAYS
        said = expected(found, shopping, rhythms, moment.now)
        mean_gap = (found.last_day - found.first_day) / np.maximum(found.count - 1, 1)
        owner = np.full(found.keys.size, customer)
        silence = np.floor(moment.now) - found.last_day
        whole: list[Any] = [owner, found.keys, found.count, silence, found.median_gap, mean_gap, until, said.days]
        parts.append((*[column[use] for column in whole], said.probability[:, use]))
    columns = [np.concatenate([part[place] for part in parts], axis=-1) for place in range(9)]
    customer_ids, keys, count, silence, median, mean, until, days, probability = columns
    return Rows(customer_ids, keys, count, silence, median, mean, until, probability, days)


def _rules(before: Rows, rows: Rows) -> dict[str, Floats]:
    """Return the baselines' probabilities: how often what was as overdue four weeks earlier was bought then."""
    usual = _usual_gaps(before)
    ratios: Mapping[str, Callable[[Rows], Floats]] = {
        "median_gap": lambda part: part.silence / np.maximum(part.median_gap, 1.0),
        "own_mean_gap": lambda part: part.silence / np.maximum(part.mean_gap, 1.0),
        "product_mean_gap": lambda part: part.silence / usual(part.key),
    }
    return {name: _frequencies(ratio(before), before.bought, ratio(rows)) for name, ratio in ratios.items()}


def _usual_gaps(before: Rows) -> Callable[[Ints], Floats]:
    """Return the mean gap of each key over its customers; everybody's where a key is not known."""
    size = int(before.key.max()) + 1
    count = np.bincount(before.key, minlength=size)
    overall = float(before.mean_gap.mean())
    means = np.append(
        np.where(count > 0, np.bincount(before.key, before.mean_gap) / np.maximum(count, 1), overall), overall
    )
    return lambda keys: np.maximum(means[np.where(keys < size, keys, size)], 1.0)


def _frequencies(learned: Floats, bought: Bools, asked: Floats) -> Floats:
    """Return horizon x row: the share bought in each of BINS equally filled bins of the ratio."""
    edges = np.quantile(learned, np.linspace(0, 1, BINS + 1)[1:-1])
    bins, counts = np.searchsorted(edges, learned), np.bincount(np.searchsorted(edges, learned), minlength=BINS)
    shares = np.stack([np.bincount(bins, row, minlength=BINS) / np.maximum(counts, 1) for row in bought])
    return np.asarray(shares[:, np.searchsorted(edges, asked)], np.float64)


def _horizon(rows: Rows, rules: dict[str, Floats], before: Rows, place: int) -> dict[str, Any]:
    bought, ours = rows.bought[place], rows.probability[place]
    said = {"base_rate": np.full(ours.size, before.bought[place].mean()), **rules}
    groups = _by_customer(rows.customer)
    errors = {name: (bought - chance) ** 2 for name, chance in ({"learned": ours} | said).items()}
    return {
        "base_rate": float(bought.mean()),
        "brier": {name: float(values.mean()) for name, values in errors.items()},
        "brier_difference": {name: _mean_interval(errors["learned"] - errors[name], rows.customer) for name in said},
        "auc": {name: auc(bought, chance) for name, chance in ({"learned": ours} | rules).items()},
        "auc_difference": {
            name: _interval_of(lambda use, c=chance: auc(bought[use], ours[use]) - auc(bought[use], c[use]), groups)  # type: ignore[misc]
            for name, chance in rules.items()
            if name == "median_gap"
        },
        "ece": {name: calibration_error(bought, chance) for name, chance in ({"learned": ours} | rules).items()},
        "reliability": reliability(bought, ours),
    }


def auc(bought: Bools, score: Floats) -> float:
    """Return how often what was bought has the higher score of a pair; ties count half. NaN without both kinds."""
    positives = int(bought.sum())
    negatives = bought.size - positives
    if not positives or not negatives:
        return float("nan")
    ranks = float(rankdata(score)[bought].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def reliability(bought: Bools, chance: Floats, bins: int = 10) -> list[dict[str, float]]:
    """Return per equally filled bin: rows, mean probability, share bought."""
    order = np.argsort(chance, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    return [
        {"rows": part.size, "said": float(chance[part].mean()), "bought": float(bought[part].mean())}
        for part in parts
    ]


def calibration_error(bought: Bools, chance: Floats) -> float:
    """Return the expected calibration error over BINS equally filled bins."""
    table = reliability(bought, chance, BINS)
    return sum(row["rows"] * abs(row["said"] - row["bought"]) for row in table) / max(bought.size, 1)


def _in_rhythm(rows: Rows) -> Bools:
    """Return what a median gap alone would call due: three purchase days, from half a gap to three gaps ago."""
    ratio = rows.silence / np.maximum(rows.median_gap, 1.0)
    due: Bools = (rows.count >= MIN_PURCHASES) & (ratio >= SAID_FROM_RATIO) & (ratio <= LATE_RATIO)
    return due


def _is_said(rows: Rows) -> Bools:
    chance = rows.probability[HORIZONS_DAYS.index(CHANCE_DAYS)]
    said: Bools = _in_rhythm(rows) & (chance >= SAID_FROM_CHANCE)
    return said


def _said(rows: Rows, said: Bools) -> dict[str, Any]:
    """Return how often "due" would be said, and the share of that which was bought within each horizon."""
    return {
        "rows": int(said.sum()),
        "per_customer": float(said.sum() / max(np.unique(rows.customer).size, 1)),
        "bought": {
            str(days): _mean_interval(row[said].astype(np.float64), rows.customer[said])
            for days, row in zip(HORIZONS_DAYS, rows.bought, strict=True)
        },
    }


def _dates(rows: Rows) -> dict[str, Any]:
    use = (rows.count >= MIN_PURCHASES) & np.isfinite(rows.until)
    usual = _usual_gaps(rows)(rows.key)
    days = {
        "learned": rows.days,
        "median_gap": np.maximum(rows.median_gap - rows.silence, 0.0),
        "own_mean_gap": np.maximum(rows.mean_gap - rows.silence, 0.0),
        "product_mean_gap": np.maximum(usual - rows.silence, 0.0),
    }
    off = {name: np.abs(values - rows.until)[use] for name, values in days.items()}
    groups = _by_customer(rows.customer[use])
    return {
        "rows": int(use.sum()),
        "median_days_off": {
            name: [float(np.median(values)), *_interval_of(lambda d, v=values: float(np.median(v[d])), groups)[1:]]  # type: ignore[misc]
            for name, values in off.items()
        },
        "mean_days_off": {name: float(values.mean()) for name, values in off.items()},
    }


def _by_customer(customer: Ints) -> list[Ints]:
    """Return the rows of each customer; rows come customer by customer."""
    starts = np.flatnonzero(np.diff(customer, prepend=-1))
    return np.split(np.arange(customer.size), starts[1:])


def _mean_interval(values: Floats, customer: Ints) -> list[float]:
    """Return [mean, low, high]: 95 %, customers drawn with all their rows."""
    _, place = np.unique(customer, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)
    draws = np.random.default_rng(7).integers(0, sums.size, (DRAWS * 5, sums.size))
    low, high = np.percentile(sums[draws].sum(axis=1) / counts[draws].sum(axis=1), [2.5, 97.5])
    return [float(values.mean()), float(low), float(high)]


def _interval_of(figure: Callable[[Ints], float], groups: list[Ints]) -> list[float]:
    """Return [figure, low, high]: 95 %, customers drawn with all their rows."""
    draw = np.random.default_rng(7)
    drawn = [
        figure(np.concatenate([groups[n] for n in draw.integers(0, len(groups), len(groups))])) for _ in range(DRAWS)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return [figure(np.concatenate(groups)), float(low), float(high)]
