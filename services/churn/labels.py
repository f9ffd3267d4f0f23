"""Owns what is predicted and for whom: own limits, labels with their version, populations."""

import numpy as np

from services.churn.visits import Bools, Floats, Ints, Visits

LABELS_VERSION = "labels-1"
FIXED_LIMIT_DAYS = 28
LIMIT_DAYS_MIN = 14
LIMIT_DAYS_MAX = 42
GAPS_FOR_OWN_LIMIT = 8
NEVER = np.iinfo(np.int64).max


def own_limit_days(gap_p90_days: Floats, gaps: Floats) -> Floats:
    """Days of silence after which a customer counts as lost: twice the own 90th-percentile gap, 14..42.

    Customers with fewer than 8 known gaps have the fixed limit of 28 days.
    """
    own = np.clip(2.0 * gap_p90_days, LIMIT_DAYS_MIN, LIMIT_DAYS_MAX)
    return np.where(gaps >= GAPS_FOR_OWN_LIMIT, own, float(FIXED_LIMIT_DAYS))


def lapse_labels(visits: Visits, day: int, horizon_days: int = 28) -> Bools:
    """lapse28: no visit in [day, day + horizon_days)."""
    inside = (visits.day >= day) & (visits.day < day + horizon_days)
    visits_inside = np.bincount(visits.customer[inside], minlength=visits.customers)
    return np.equal(visits_inside, 0)


def partial_labels(visits: Visits, day: int, horizon_days: int = 56, pace_days: int = 112) -> Bools:
    """partial56: spend in [day, day + 56) below half of the pace of the last 112 days."""
    pace = spend_between(visits, day - pace_days, day) / pace_days
    return spend_between(visits, day, day + horizon_days) < 0.5 * pace * horizon_days


def spend_between(visits: Visits, start: int, end: int) -> Floats:
    """Minor units spent by each customer in [start, end)."""
    inside = (visits.day >= start) & (visits.day < end)
    total = np.bincount(visits.customer[inside], visits.spend_minor[inside], visits.customers)
    return total.astype(np.float64)


def days_until_certain(visits: Visits, day: int, limit_days: Floats, end: int) -> Ints:
    """Days from `day` until a silence first exceeds the customer's limit; NEVER if not before `end`.

    Customers whose silence exceeds the limit already get 0 or less; without a visit before `day` or without
    a limit: NEVER.
    """
    owner, certain = certain_days(visits, day, limit_days, end)
    first = np.full(visits.customers, NEVER, dtype=np.int64)
    np.minimum.at(first, owner, certain - day)
    return first


def certain_days(visits: Visits, day: int, limit_days: Floats, end: int) -> tuple[Ints, Ints]:
    """List customer and day of every loss: the first day on which a silence is longer than the limit.

    A silence counts from the last visit before `day` or from any later one; `end` is the first day after
    the data. Ordered by customer, then day.
    """
    owner, start, stop = _silences(visits, day, end)
    limit = np.nan_to_num(limit_days, nan=float(end - int(start.min(initial=0))))
    certain = start + np.ceil(limit[owner]).astype(np.int64) + 1
    lost = certain <= stop
    return owner[lost], certain[lost]


def _silences(visits: Visits, day: int, end: int) -> tuple[Ints, Ints, Ints]:
    """List customer, first and last day of every silence still open on `day` or begun later."""
    last = last_visit_day(visits, day)
    known = np.flatnonzero(last > -NEVER)
    future = visits.day >= day
    future &= last[visits.customer] > -NEVER
    owner = np.concatenate([known, visits.customer[future]])
    start = np.concatenate([last[known], visits.day[future]])
    order = np.lexsort((start, owner))
    owner, start = owner[order], start[order]
    stop = np.append(start[1:], end)
    stop[np.append(owner[1:] != owner[:-1], True)] = end
    return owner, start, stop[: len(start)]


def last_visit_day(visits: Visits, day: int) -> Ints:
    """Day of the last visit before `day`; -NEVER if there was none."""
    last = np.full(visits.customers, -NEVER, dtype=np.int64)
    past = visits.day < day
    last[visits.customer[past]] = visits.day[past]  # ordered by day: the last assignment wins
    return last


def own_label(days_to_certain: Ints, horizon_days: int = 42) -> Bools:
    """own42: the silence exceeds the customer's limit within 42 days."""
    return days_to_certain <= horizon_days


def early_labels(days_to_certain: Ints, lead_days_min: int = 14, lead_days_max: int = 56) -> Bools:
    """Tell whose loss becomes certain while there is still time to act: 14..56 days from now."""
    return (days_to_certain >= lead_days_min) & (days_to_certain <= lead_days_max)


def active(silence_days: Floats, days: int) -> Bools:
    """Tell who came within the last `days` days."""
    return silence_days <= days


def regular(visits_112d: Floats) -> Bools:
    """At least four visits in 112 days."""
    return visits_112d >= 4


def on_rhythm(gaps: Ints, silence_days: Floats, gap_p90_days: Floats) -> Bools:
    """At least eight known gaps, and the silence still within the own 90th percentile: nothing to see yet."""
    return (gaps >= GAPS_FOR_OWN_LIMIT) & (silence_days <= gap_p90_days)


def healthy(visits_112d: Floats, spend_pace_28_to_112: Floats) -> Bools:
    """Regular, and the last four weeks' spend at 80 % of the pace or more."""
    return regular(visits_112d) & (spend_pace_28_to_112 >= 0.8)
