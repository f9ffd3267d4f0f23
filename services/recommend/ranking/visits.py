"""Owns how much each past visit of a customer says: decays, and visits to one store.

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


def _faded(history: History) -> Floats:
    return np.asarray(0.5 ** ((history.basket_at[-1] - history.basket_at) / _LONG_HALF_LIFE), np.float64)


def _shares(weights: Floats) -> Floats:
    return np.asarray(weights / max(float(weights.sum()), 1e-12), np.float64)
