"""Owns fitting when things are needed again: priors as of a moment, probabilities on what was bought afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from services.recommend.generators.rhythm import (
    FEATURES,
    HORIZONS_DAYS,
    LearnedRhythms,
    Occasions,
    Rhythms,
    Shopping,
    features,
    occasions_of,
    shopping_of,
)
from services.recommend.history import Bools, Floats, Ints
from services.recommend.training.dataset import Dataset

ORIGINS = 3
LEAST_DAYS = 2
"""Probabilities are fitted, and given, from this many purchase days on: one makes no gap."""
_REACH = float(max(HORIZONS_DAYS))
_LEAST_HISTORY_DAYS = 56.0
_LEAST_POSITIVES = 50
_PRIOR_CUSTOMERS = 10.0
_PRIOR_BUYERS = 20.0
_STEPS = 50
_LONGEST_STEP = 1.0


def learned_rhythms(dataset: Dataset, types: Ints, type_count: int, as_of: float) -> LearnedRhythms:
    """Fit products and product types on the receipts before a moment; `types` gives each product's, -1 none."""
    products = np.arange(len(dataset.product_ids))
    return LearnedRhythms(
        fit_rhythms(dataset, products, products.size, as_of), fit_rhythms(dataset, types, type_count, as_of)
    )


@dataclass(frozen=True)
class Moment:
    """Everybody's occasions as of a moment, and the days until each key was bought again (inf: not within reach)."""

    now: float
    occasions: tuple[Occasions, ...]
    shopping: tuple[Shopping, ...]
    days_until: tuple[Floats, ...]


def fit_rhythms(dataset: Dataset, keys: Ints, key_count: int, as_of: float, origins: int = ORIGINS) -> Rhythms | None:
    """Fit one level; `keys` gives each product's key. None where the receipts are too few to say anything."""
    cuts = [as_of - _REACH * step for step in range(1, origins + 1)]
    begins = float(dataset.at.min()) if dataset.at.size else np.inf
    usable = [cut for cut in cuts if cut - begins >= _LEAST_HISTORY_DAYS]
    if not usable:
        return None
    rows = [_rows(moment_at(dataset, keys, cut), key_count) for cut in usable]
    columns = np.concatenate([part[0] for part in rows], axis=1)
    bought = np.concatenate([part[1] for part in rows], axis=1)
    if bought[0].sum() < _LEAST_POSITIVES:
        return None
    everything = moment_at(dataset, keys, as_of, until=as_of)
    return _with_weights(priors(everything.occasions, key_count), columns, bought)


def moment_at(dataset: Dataset, keys: Ints, now: float, until: float | None = None) -> Moment:
    """Look at every customer as of `now`; what they bought before `until` (by default within reach) is the future."""
    histories = [dataset.history(customer, now) for customer in range(len(dataset.customer_ids))]
    occasions = tuple(occasions_of(history.at, keys[history.product]) for history in histories)
    shopping = tuple(shopping_of(history, now) for history in histories)
    return Moment(
        now, occasions, shopping, _days_until(dataset, keys, occasions, now, now + _REACH if until is None else until)
    )


def priors(occasions: Sequence[Occasions], key_count: int) -> Rhythms:
    """Learn each key's usual gap and repeat rate and the spread of gaps; probabilities are not fitted yet."""
    keys, count, gaps, weight = (
        np.concatenate([np.empty(0), *(getattr(each, name) for each in occasions)])
        for name in ("keys", "count", "log_gaps", "gap_weight")
    )
    owner = keys.astype(np.int64)
    has = weight > 0
    own = gaps[has] / weight[has]
    within = _within(occasions)
    log_gap = _shrunk(owner[has], own, key_count, _PRIOR_CUSTOMERS)
    between = float(np.mean((own - log_gap[owner[has]]) ** 2 - within / weight[has])) if own.size else 1.0
    repeat = _shrunk(owner, (count > 1).astype(np.float64), key_count, _PRIOR_BUYERS)
    return Rhythms(
        log_gap=log_gap,
        repeat=logit(np.clip(repeat, 1e-3, 1 - 1e-3)),
        spread=np.array([within, max(between, 0.01)]),
        centre=np.zeros(len(FEATURES)),
        scale=np.ones(len(FEATURES)),
        weights=np.zeros((len(HORIZONS_DAYS), len(FEATURES) + 1)),
    )


def _within(occasions: Sequence[Occasions]) -> float:
    """Return the variance of logarithmic gaps around the customer's own mean."""
    squares = sum(float(each.gap_squares.sum()) for each in occasions)
    freedom = sum(float(np.maximum(each.count - 2, 0).sum()) for each in occasions)
    return max(squares / freedom, 0.01) if freedom else 1.0


def _shrunk(owner: Ints, values: Floats, size: int, prior: float) -> Floats:
    """Return each owner's mean, drawn towards everybody's; the last entry is everybody's."""
    overall = float(values.mean()) if values.size else 0.0
    sums = np.bincount(owner, values, minlength=size)
    means = (sums + prior * overall) / (np.bincount(owner, minlength=size) + prior)
    return np.append(means, overall)


def _days_until(
    dataset: Dataset, keys: Ints, occasions: Sequence[Occasions], now: float, until: float
) -> tuple[Floats, ...]:
    lines, baskets = dataset.lines_between(now, until)
    owner, key, day = dataset.owner[baskets], keys[dataset.product[lines]], np.floor(dataset.at[baskets])
    order = np.lexsort((day, key, owner))
    owner, key, day = owner[order], key[order], day[order]
    starts = np.searchsorted(owner, np.arange(len(occasions) + 1))
    out = []
    for customer, each in enumerate(occasions):
        part = slice(starts[customer], starts[customer + 1])
        out.append(_first_days(key[part], day[part], each.keys) - np.floor(now))
    return tuple(out)


def _first_days(keys: Ints, days: Floats, wanted: Ints) -> Floats:
    """Return the day of each wanted key's first entry (keys ascending, then days); inf without one."""
    if not keys.size:
        return np.full(wanted.size, np.inf)
    place = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    return np.where(keys[place] == wanted, days[place], np.inf)


def _rows(moment: Moment, key_count: int) -> tuple[Floats, Bools]:
    """Return features and outcomes, horizon x row, of everything with a gap."""
    rhythms = priors(moment.occasions, key_count)
    columns, bought = [], []
    for occasions, shopping, until in zip(moment.occasions, moment.shopping, moment.days_until, strict=True):
        use = occasions.count >= LEAST_DAYS
        columns.append(features(occasions, shopping, rhythms, moment.now)[:, use])
        bought.append(until[None, use] < np.array(HORIZONS_DAYS)[:, None])
    return np.concatenate(columns, axis=1), np.concatenate(bought, axis=1)


def _with_weights(rhythms: Rhythms, columns: Floats, bought: Bools) -> Rhythms:
    # Only the first column differs between horizons: one centre and scale serve all.
    centre = columns.mean(axis=(0, 1))
    scale = np.maximum(columns.std(axis=(0, 1)), 1e-9)
    ready = (columns - centre) / scale
    weights = [logistic(rows, outcome.astype(np.float64)) for rows, outcome in zip(ready, bought, strict=True)]
    return Rhythms(rhythms.log_gap, rhythms.repeat, rhythms.spread, centre, scale, np.stack(weights))


def logistic(columns: Floats, outcome: Floats, ridge: float = 1.0) -> Floats:
    """Return the constant and the weights of a ridge logistic regression, by Newton's method."""
    table = np.concatenate((np.ones((outcome.size, 1)), columns), axis=1)
    penalty = np.diag([1e-6, *np.full(columns.shape[1], ridge)])
    weights = np.zeros(table.shape[1])
    weights[0] = logit(np.clip(outcome.mean(), 1e-6, 1 - 1e-6))
    for _ in range(_STEPS):
        chance = expit(table @ weights)
        slope = table.T @ (outcome - chance) - penalty @ weights
        step = np.linalg.solve((table * (chance * (1 - chance))[:, None]).T @ table + penalty, slope)
        # A whole step may overshoot to where every outcome is certain and nothing has a slope.
        weights += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if float(np.abs(step).max()) < 1e-8:
            break
    return weights
