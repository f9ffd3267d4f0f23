"""Owns when something is needed again: gaps between purchases as a renewal process, and its fitted table.

The gap of one customer and one product (or product type) is log-normal. Its mean is the customer's own, drawn towards
the product's the fewer gaps there are (empirical Bayes); its spread is everybody's. The days since the last purchase
are a gap that has not ended. What the process says of the next days is only where a small logistic regression starts
from: it also knows how often the customer shops at all and whether people repeat the product, and was fitted on what
was bought after earlier moments, so that its probabilities can be taken at their word.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_ndtr, logit, ndtr, ndtri

from services.recommend.history import Floats, History, Ints

HORIZONS_DAYS = (7, 14, 28)
KEPT_DAYS = 20
GAP_FADE = 0.85
"""Of two gaps the older one says this much as the newer about the next."""
RANGE = (0.1, 0.9)
FEATURES = (
    "renewal",
    "silence_survived",
    "days",
    "visit_rate",
    "customer_silence",
    "repeat_rate",
    "silence_ratio",
    "usual_gap",
    "overdue",
    "age",
)
_VISITS_DAYS = 56
_SHORTEST_SILENCE = 0.5
_EDGE = 1e-4


@dataclass(frozen=True)
class Occasions:
    """Per key (product or type), ascending: the kept days on which it was bought. Days since 1970-01-01 UTC."""

    keys: Ints
    count: Ints
    first_day: Floats
    last_day: Floats
    median_gap: Floats
    log_gaps: Floats
    """Sum of the logarithms of the gaps, older ones faded; `gap_weight` is the same sum of ones."""
    gap_weight: Floats
    gap_squares: Floats
    """Squared deviations of the logarithms from their mean, summed; not faded."""


@dataclass(frozen=True)
class Shopping:
    """How a customer shops at all: visits a day lately, and days since the last visit."""

    visit_rate: float
    silence_days: float


@dataclass(frozen=True)
class Rhythms:
    """What was fitted, per key; the last entry of `log_gap` and `repeat` stands for every key not seen in training.

    `spread` holds the variances of a logarithmic gap: within a customer's own gaps, and between customers. `weights`
    has a row per horizon: the constant, then FEATURES, which are first centred and scaled.
    """

    log_gap: Floats
    repeat: Floats
    spread: Floats
    centre: Floats
    scale: Floats
    weights: Floats

    def rows(self, keys: Ints) -> Ints:
        """Return the entry of each key."""
        return np.where((keys >= 0) & (keys < self.log_gap.size - 1), keys, self.log_gap.size - 1)


@dataclass(frozen=True)
class LearnedRhythms:
    """Both levels of a trained version, None where nothing could be learned."""

    products: Rhythms | None = None
    types: Rhythms | None = None


@dataclass(frozen=True)
class Expected:
    """Per key: the probability of a purchase within HORIZONS_DAYS (rows), and the day it is expected on.

    Days are counted from the moment asked about: the median and the range that holds four of five of the next
    purchase, if there is one.
    """

    keys: Ints
    probability: Floats
    days: Floats
    days_low: Floats
    days_high: Floats


def occasions_of(at: Floats, keys: Ints) -> Occasions:
    """Return the days of each key: `at` are days of purchase lines, `keys` those of the lines, -1 for none.

    Purchases of one UTC day are one.
    """
    use = keys >= 0
    code = np.unique(keys[use] * _SPAN + np.floor(at[use]).astype(np.int64))
    owner, day = code // _SPAN, (code % _SPAN).astype(np.float64)
    place = _from_end(owner)
    kept = place < KEPT_DAYS
    owner, day, place = owner[kept], day[kept], place[kept]
    found, starts, count = np.unique(owner, return_index=True, return_counts=True)
    rows = np.repeat(np.arange(found.size), count)
    later = np.flatnonzero(np.diff(rows) == 0)
    gaps, whose, fade = np.diff(day)[later], rows[later], GAP_FADE ** place[later + 1]
    logs = np.log(gaps)
    return Occasions(
        keys=found,
        count=count,
        first_day=day[starts],
        last_day=day[starts + count - 1],
        median_gap=_medians(gaps, whose, found.size),
        log_gaps=np.bincount(whose, fade * logs, minlength=found.size).astype(np.float64),
        gap_weight=np.bincount(whose, fade, minlength=found.size).astype(np.float64),
        gap_squares=_squares(logs, whose, found.size),
    )


def shopping_of(history: History, now: float) -> Shopping:
    """Return the visits a day of the last eight weeks (drawn towards few where little is known) and the silence."""
    days = np.unique(np.floor(history.basket_at))
    if not days.size:
        return Shopping(0.5 / (_VISITS_DAYS + 7.0), float(_VISITS_DAYS))
    today = np.floor(now)
    known = min(float(_VISITS_DAYS), max(float(today - days[0]), 7.0))
    lately = int((days >= today - _VISITS_DAYS).sum())
    return Shopping((lately + 0.5) / (known + 7.0), max(float(today - days[-1]), 0.0))


def features(occasions: Occasions, shopping: Shopping, rhythms: Rhythms, now: float) -> Floats:
    """Return an array of horizon x key x FEATURES."""
    rows, today = rhythms.rows(occasions.keys), np.floor(now)
    mean, deviation = posterior(occasions, rhythms)
    silence = np.maximum(today - occasions.last_day, _SHORTEST_SILENCE)
    ratio = np.log(silence) - mean
    survived = log_ndtr(-ratio / deviation)
    age = np.maximum(today - occasions.first_day, 0.0)
    same = (
        survived,
        np.log(occasions.count),
        np.full(mean.size, np.log(shopping.visit_rate)),
        np.full(mean.size, np.log1p(shopping.silence_days)),
        rhythms.repeat[rows],
        ratio,
        mean,
        np.square(np.maximum(ratio, 0.0) / deviation),
        np.log1p(age),
    )
    out = np.empty((len(HORIZONS_DAYS), mean.size, len(FEATURES)))
    for place, days in enumerate(HORIZONS_DAYS):
        outlived = log_ndtr((mean - np.log(silence + days)) / deviation)
        out[place, :, 0] = logit(np.clip(-np.expm1(outlived - survived), _EDGE, 1 - _EDGE))
        out[place, :, 1:] = np.stack(same, axis=1)
    return out


def posterior(occasions: Occasions, rhythms: Rhythms) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the next gap's logarithm, given the customer's own gaps."""
    within, between = rhythms.spread
    precision = occasions.gap_weight / within + 1 / between
    usual = rhythms.log_gap[rhythms.rows(occasions.keys)]
    mean = (occasions.log_gaps / within + usual / between) / precision
    return mean, np.sqrt(within + 1 / precision)


def expected(occasions: Occasions, shopping: Shopping, rhythms: Rhythms, now: float) -> Expected:
    """Return what is to be expected of each key at a moment."""
    columns = (features(occasions, shopping, rhythms, now) - rhythms.centre) / rhythms.scale
    linear = np.einsum("hkf,hf->hk", columns, rhythms.weights[:, 1:]) + rhythms.weights[:, :1]
    low, middle, high = _days_left(occasions, rhythms, np.floor(now))
    # What is bought within a week is bought within two.
    probability = np.maximum.accumulate(expit(linear), axis=0)
    return Expected(occasions.keys, probability, middle, low, high)


def _days_left(occasions: Occasions, rhythms: Rhythms, today: float) -> tuple[Floats, Floats, Floats]:
    """Return quantiles of the days left of a gap that has lasted until today."""
    mean, deviation = posterior(occasions, rhythms)
    silence = np.maximum(today - occasions.last_day, _SHORTEST_SILENCE)
    survived = ndtr((mean - np.log(silence)) / deviation)
    low, middle, high = (
        np.exp(mean - deviation * ndtri(np.maximum(survived * (1 - share), 1e-12))) - silence
        for share in (RANGE[0], 0.5, RANGE[1])
    )
    return tuple(np.maximum(days, 0.0) for days in (low, middle, high))


_SPAN = 1 << 20
"""Days fit below it: the year 4840."""


def _from_end(owner: Ints) -> Ints:
    """Return how many entries of the same owner follow each one."""
    ends = np.searchsorted(owner, owner, side="right")
    return np.asarray(ends - 1 - np.arange(owner.size), np.int64)


def _squares(values: Floats, whose: Ints, size: int) -> Floats:
    """Return each owner's squared deviations from their own mean, summed."""
    count = np.maximum(np.bincount(whose, minlength=size), 1)
    mean = np.bincount(whose, values, minlength=size) / count
    return np.bincount(whose, (values - mean[whose]) ** 2, minlength=size).astype(np.float64)


def _medians(gaps: Floats, whose: Ints, size: int) -> Floats:
    """Return each owner's median gap; 0 without any."""
    ordered = gaps[np.lexsort((gaps, whose))]
    count = np.bincount(whose, minlength=size)
    starts = np.cumsum(count) - count
    has = count > 0
    low, high = (starts + (count - 1) // 2)[has], (starts + count // 2)[has]
    out = np.zeros(size)
    out[has] = (ordered[low] + ordered[high]) / 2
    return out
