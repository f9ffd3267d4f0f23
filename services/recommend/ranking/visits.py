"""Owns how much each past visit of a customer says: decays, visits to one store, and visits at such a moment.

Every function gives one weight per kept visit, oldest first. Divided by their sum over all visits, weights of the
visits that held a product are its rate among them.
"""

import numpy as np

from services.recommend.domain.purchases import KEPT_BASKETS
from services.recommend.generators.sized import hit_value
from services.recommend.history import Floats, History

BASKET_FADES = (0.8, 0.9, 0.95, 0.98)
DAY_HALF_LIVES = (15.0, 45.0, 120.0)
DECAYS = (
    *(f"fade_{fade}" for fade in BASKET_FADES),
    *(f"days_{half:g}" for half in DAY_HALF_LIVES),
    *(f"worth_{half:g}" for half in DAY_HALF_LIVES),
    "worth_fade_0.9",
)
ALIKE = ("hour", "week", "silence", "both")
_HOUR_SPREAD_DAYS = 1.5 / 24
_WEEK_SPREAD_DAYS = 0.6
_SILENCE_SPREAD = 0.5
"""Of the logarithm: a silence half or one and a half times as long is about one spread away."""
_SHORTEST_SILENCE_DAYS = 0.05
_FIRST_SILENCE_DAYS = 7.0
_BOTH_HOUR_SPREAD_DAYS = 3 / 24
_BOTH_SILENCE_SPREAD = 0.8
_ANY_VISIT = np.array([0.001, 0.001, 0.001, 0.02])
"""What a visit unlike this moment counts: where none is like it, all are asked."""
_FADED = np.array([fade ** np.arange(KEPT_BASKETS) for fade in BASKET_FADES])
_LONG_HALF_LIFE = DAY_HALF_LIVES[-1]


def decayed(history: History) -> tuple[Floats, Floats]:
    """Return (visits x DECAYS weights, what each column is divided by to give a rate).

    Ages are counted from the latest visit: a rate is the same at every later moment.
    """
    age = history.basket_at[-1] - history.basket_at
    by_basket = _FADED[:, : age.size][:, ::-1].T
    by_day = 0.5 ** (age[:, None] / np.array(DAY_HALF_LIVES))
    value = hit_value(history.basket_size)[:, None]
    weights = np.concatenate((by_basket, by_day, by_day * value, by_basket[:, 1:2] * value), axis=1)
    trips, days = by_basket.sum(axis=0), by_day.sum(axis=0)
    return weights, np.concatenate((trips, days, days, trips[1:2]))


def in_store(history: History, store: int) -> Floats:
    """Return decayed weights of the visits to a store; the total is one, or zero without any."""
    return _shares((history.basket_store == store) * _faded(history))


def alike(history: History, now: float) -> Floats:
    """Return visits x ALIKE: decayed weights of visits at this time of day, of the week, after such a silence.

    The last column takes hour and silence together, both more loosely. Each column's total is one. A customer who
    buys lunch at noon and fills the cupboard on Saturday has two lists.
    """
    at = history.basket_at
    silence = np.diff(at, prepend=at[0] - _FIRST_SILENCE_DAYS)
    hour, week = _apart(at, now, 1.0), _apart(at, now, 7.0)
    longer = _logarithm(silence) - _logarithm(now - at[-1])
    farness = np.stack(
        (
            (hour / _HOUR_SPREAD_DAYS) ** 2,
            (week / _WEEK_SPREAD_DAYS) ** 2,
            (longer / _SILENCE_SPREAD) ** 2,
            (hour / _BOTH_HOUR_SPREAD_DAYS) ** 2 + (longer / _BOTH_SILENCE_SPREAD) ** 2,
        ),
        axis=1,
    )
    weights = (np.exp(-0.5 * farness) + _ANY_VISIT) * _faded(history)[:, None]
    return np.asarray(weights / np.maximum(weights.sum(axis=0), 1e-12), np.float64)


def _apart(at: Floats, now: float, period_days: float) -> Floats:
    """Return how far each time lies from now within the period, whichever way is shorter."""
    apart = np.abs(at - now) % period_days
    return np.minimum(apart, period_days - apart)


def _logarithm(silence_days: Floats | float) -> Floats:
    return np.log(np.maximum(silence_days, _SHORTEST_SILENCE_DAYS))


def _faded(history: History) -> Floats:
    return np.asarray(0.5 ** ((history.basket_at[-1] - history.basket_at) / _LONG_HALF_LIFE), np.float64)


def _shares(weights: Floats) -> Floats:
    return np.asarray(weights / max(float(weights.sum()), 1e-12), np.float64)
