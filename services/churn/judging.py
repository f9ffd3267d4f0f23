"""Owns one scoring, without its I/O: a model and a history in, a judgement of every customer out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.churn import domain, labels
from services.churn.domain import Level, State
from services.churn.features import HISTORY_DAYS, Features, main_store
from services.churn.history import WEEKDAY_OF_DAY_ZERO, date_of
from services.churn.reasons import HISTORY_WEEKS, REFERENCE_WEEKS, Reason, reasons
from services.churn.scorer import Model, Scores, family_contributions, score
from services.churn.training import FeatureHistory
from services.churn.visits import Bools, Floats, Ints, Visits

READ_BACK_DAYS = HISTORY_DAYS + 7 * HISTORY_WEEKS
"""Days before the scored one that features and reasons look back."""

USUAL_STORE_DAYS = 112


@dataclass(frozen=True)
class Judgement:
    """What is known of the customers of a history as of the start of `day`; one row each, where not said otherwise.

    `regular` is who may have a level and be warned of; `weeks` has two columns, 0 where nothing is expected;
    `store` is the usual store's number, -2 without one; `reasons` names those of customers with a level.
    """

    day: int
    now: Features
    scores: Scores
    level: Ints
    state: tuple[State, ...]
    regular: Bools
    weeks: Ints
    value_at_risk_minor: Ints
    urgency: Floats
    store: Ints
    reasons: dict[int, tuple[Reason, ...]]

    def rows(self) -> Ints:
        """Return who has a score: everybody who came within 364 days."""
        return np.flatnonzero(self.now.visited)


def judge(model: Model, visits: Visits, day: int, previous_levels: Ints) -> Judgement:
    """Judge every customer of `visits` as of the start of `day`."""
    known = visits.before(day)
    history = FeatureHistory(known, weekday_of_day_zero=WEEKDAY_OF_DAY_ZERO)
    now = history.at(day)
    scores = score(model, now)
    regular = _regular(known, now)
    level = _levels(now, scores, regular, previous_levels)
    spend = now.column("spend_112d_minor")
    value = spend / domain.PACE_DAYS * (7 * domain.RISK_WEEKS)
    return Judgement(
        day=day,
        now=now,
        scores=scores,
        level=level,
        state=_states(known, now, level),
        regular=regular,
        weeks=_weeks(scores),
        value_at_risk_minor=domain.value_at_risk_minor(spend, scores.lost_within(domain.RISK_WEEKS)),
        urgency=np.nan_to_num(domain.urgency(np.maximum(scores.alert, 0.0), np.nan_to_num(value))),
        store=main_store(known, day - known.day <= USUAL_STORE_DAYS),
        reasons=_reasons(model, known, day, np.flatnonzero(level > Level.NONE)),
    )


def _visits_and_known_days(known: Visits, day: int) -> tuple[Ints, Ints]:
    inside = known.day >= day - HISTORY_DAYS
    visits = np.bincount(known.customer[inside], minlength=known.customers)
    first = np.full(known.customers, day, dtype=np.int64)
    np.minimum.at(first, known.customer, known.day)
    return visits, day - first


def _regular(known: Visits, now: Features) -> Bools:
    """Tell who came at least four times in 112 days, is known long enough, and is not lost yet."""
    visits, known_days = _visits_and_known_days(known, now.day)
    enough = (visits >= domain.VISITS_FOR_HISTORY) & (known_days >= domain.KNOWN_DAYS_FOR_HISTORY)
    return enough & labels.regular(now.column("visits_112d")) & (now.column("limit_days_left") >= 0)


def _levels(now: Features, scores: Scores, regular: Bools, previous: Ints) -> Ints:
    """Rank within value tiers, by the chance of loss and by the alert score; the better rank counts.

    By the chance alone those all but lost would take every place from those who can still be won back.
    """
    level = np.zeros(len(regular), dtype=np.int64)
    rows = np.flatnonzero(regular)
    tier = domain.value_tiers(now.column("spend_112d_minor")[rows])
    probability = scores.lost_within(domain.RISK_WEEKS)[rows]
    shares = np.minimum(domain.top_shares(probability, tier), domain.top_shares(scores.alert[rows], tier))
    for row, share, chance in zip(rows, shares, probability, strict=True):
        level[row] = domain.next_level(Level(previous[row]), share, chance)
    return level


def _states(known: Visits, now: Features, level: Ints) -> tuple[State, ...]:
    visits, known_days = _visits_and_known_days(known, now.day)
    left = now.column("limit_days_left")
    rows = zip(visits, known_days, left, level, strict=True)
    return tuple(domain.state_of(int(count), int(days), rest, Level(one)) for count, days, rest, one in rows)


def _weeks(scores: Scores) -> Ints:
    weeks = np.zeros((len(scores.lost_by_week), 2), dtype=np.int64)
    for row, curve in enumerate(scores.lost_by_week):
        if curve[-1] > 0:  # false also for NaN
            weeks[row] = domain.expected_weeks(curve)
    return weeks


def _reasons(model: Model, known: Visits, day: int, rows: Ints) -> dict[int, tuple[Reason, ...]]:
    """Explain only those who need it: contributions are much dearer than scores."""
    if not len(rows):
        return {}
    few = FeatureHistory(known.of_customers(rows), weekday_of_day_zero=WEEKDAY_OF_DAY_ZERO)
    history = [few.at(day - 7 * week) for week in range(HISTORY_WEEKS + 1)]
    before = _mean_known([family_contributions(model.hazard, history[week]) for week in REFERENCE_WEEKS])
    found = reasons(history, family_contributions(model.hazard, history[0]), before)
    return dict(zip(rows.tolist(), found, strict=True))


def _mean_known(parts: Sequence[Floats]) -> Floats:
    """Take the mean of what is known; NaN where nothing is."""
    stacked = np.stack(parts)
    count = (~np.isnan(stacked)).sum(axis=0)
    total = np.nansum(stacked, axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def reason_json(reason: Reason) -> dict[str, Any]:
    """Write a reason as it is stored: figures, first day, and the sentence in each language."""
    return {
        "code": reason.code,
        "now": round(reason.now, 4),
        "usual": round(reason.usual, 4),
        "since": date_of(reason.since).isoformat(),
        "text": reason.text,
    }
