"""Owns the weekly warning simulation: what a manager would have been told, and what then happened."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.churn import labels
from services.churn.accuracy import interval
from services.churn.domain import to_warn
from services.churn.features import Features
from services.churn.visits import Bools, Floats, Ints, Visits

WEEKS = 12
SHARE = 0.05
COOLDOWN_DAYS = 28
LEAD_DAYS_MIN, LEAD_DAYS_MAX = 14, 56


@dataclass(frozen=True)
class Week:
    """One weekly scoring: who could be warned, and the features as of its day."""

    day: int
    now: Features
    population: Bools


@dataclass(frozen=True)
class Alerts:
    """Every warning (customer, day) and every loss (customer, the day it is certain)."""

    customer: Ints
    day: Ints
    lost_customer: Ints
    lost_day: Ints


def simulate(
    weeks: list[Week], losses: tuple[Ints, Ints], score: Callable[[Features], Floats], share: float = SHARE
) -> Alerts:
    """Warn the top `share` of the population every week, nobody again within 28 days."""
    quiet_until = np.zeros(len(weeks[0].population), dtype=np.int64)
    customer, day = [], []
    for week in weeks:
        allowed = week.population & (quiet_until <= week.day)
        chosen = to_warn(score(week.now), allowed, round(share * int(week.population.sum())))
        quiet_until[chosen] = week.day + COOLDOWN_DAYS
        customer.append(chosen)
        day.append(np.full(len(chosen), week.day))
    return Alerts(np.concatenate(customer), np.concatenate(day), *losses)


def losses_to_foresee(visits: Visits, weeks: list[Week], limit_days: Floats, end: int) -> tuple[Ints, Ints]:
    """List customer and day of every loss for which a warning was possible: in the population within 56 days."""
    owner, certain = labels.certain_days(visits, weeks[0].day, limit_days, end)
    foreseeable = np.zeros(len(owner), dtype=np.bool_)
    for week in weeks:
        lead = certain - week.day
        foreseeable |= week.population[owner] & (lead >= 0) & (lead <= LEAD_DAYS_MAX)
    return owner[foreseeable], certain[foreseeable]


def figures(alerts: Alerts, end: int, *, intervals: bool = False) -> dict[str, object]:
    """Precision, recall and lead of the warnings.

    A warning is useful when a loss becomes certain 14..56 days after it. Precision is over warnings whose
    56 days lie before `end`; recall over all losses; lead is of the earliest warning within 56 days.
    """
    followed = alerts.day + LEAD_DAYS_MAX <= end
    came_true = _followed_by_loss(alerts, 0)
    useful = _followed_by_loss(alerts, LEAD_DAYS_MIN)
    earliest = _earliest_lead(alerts)
    warned, in_time = earliest >= 0, earliest >= LEAD_DAYS_MIN
    result: dict[str, object] = {
        "alerts": len(alerts.customer),
        "alerts_followed_56d": int(followed.sum()),
        "losses": len(alerts.lost_customer),
        "precision_56d": float(came_true[followed].mean()),
        "useful_precision": float(useful[followed].mean()),
        "useful_precision_all_alerts": float(useful.mean()),
        "recall": float(warned.mean()),
        "recall_lead14": float(in_time.mean()),
        "median_lead_days": float(np.median(earliest[warned])) if warned.any() else None,
    }
    if intervals:
        result["intervals"] = {
            "useful_precision": _by_customer(alerts.customer[followed], useful[followed]),
            "recall_lead14": _by_customer(alerts.lost_customer, in_time),
        }
    return result


def _followed_by_loss(alerts: Alerts, lead_days_min: int) -> Bools:
    """Whether a loss of the warned customer becomes certain lead_days_min..56 days after each warning."""
    hit = np.zeros(len(alerts.customer), dtype=np.bool_)
    for row, (customer, day) in enumerate(zip(alerts.customer, alerts.day, strict=True)):
        lead = alerts.lost_day[alerts.lost_customer == customer] - day
        hit[row] = np.any((lead >= lead_days_min) & (lead <= LEAD_DAYS_MAX))
    return hit


def _earliest_lead(alerts: Alerts) -> Ints:
    """Lead in days of the earliest warning within 56 days before each loss; -1 when there was none."""
    earliest = np.full(len(alerts.lost_customer), -1, dtype=np.int64)
    for row, (customer, lost) in enumerate(zip(alerts.lost_customer, alerts.lost_day, strict=True)):
        lead = lost - alerts.day[alerts.customer == customer]
        earliest[row] = lead[(lead >= 0) & (lead <= LEAD_DAYS_MAX)].max(initial=-1)
    return earliest


def _by_customer(customer: Ints, value: Bools) -> list[float]:
    return list(interval([customer], lambda drawn: float(value[drawn[0]].mean())))
