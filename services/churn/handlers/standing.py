"""Reading where a customer stands: the newest score, or the rule for one who has not been scored yet."""

import math
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from statistics import fmean, median
from typing import Any
from uuid import UUID

from services.churn import rule
from services.churn.episodes import ALREADY_LOST
from services.churn.errors import CustomerNotFound, ProfilingRefused
from services.churn.store import consents, scores, warnings
from shared.customers import customer_of, subjects_of
from shared.db import Database, Row

VISITS_FOR_HISTORY = 4
KNOWN_DAYS_FOR_HISTORY = 28
# As in `domain`, which the API does not load for the sake of its numeric library; a test compares them.


@dataclass(frozen=True, slots=True)
class CustomerStanding:
    """A customer's score. Reasons are as stored: figures, and the sentence in each language."""

    customer_id: UUID
    as_of: date
    state: str
    level: int
    lost_by_week: list[float]
    expected_weeks: tuple[int, int] | None
    silence_days: int | None
    usual_gap_days: float | None
    limit_days: float | None
    value_at_risk_minor: int
    reasons: list[dict[str, Any]]
    model_version: str
    warning_id: UUID | None = None


async def standing_of(database: Database, asked_id: UUID, today: date) -> CustomerStanding:
    """Return where the customer behind an id stands. Raises CustomerNotFound, ProfilingRefused."""
    async with database.transaction(isolation="repeatable_read") as tx:
        customer_id = await customer_of(tx, asked_id)
        subject_ids = await subjects_of(tx, customer_id)
        if not await scores.is_known(tx, customer_id, subject_ids):
            raise CustomerNotFound("no customer has this id")
        if await consents.objecting_among(tx, [customer_id]):
            raise ProfilingRefused("this customer withdrew consent to personalisation: there is no score")
        row = await scores.latest_of(tx, customer_id)
        if row is None:
            days = await scores.visit_days(tx, subject_ids, today)
            return unscored(customer_id, days, today)
        return _scored(row, await warnings.open_row_of(tx, customer_id))


def _scored(row: Row, warning: Row | None) -> CustomerStanding:
    """While a warning is open its reasons hold: what a person was told does not change from week to week."""
    weeks = None if row["expected_low"] is None else (row["expected_low"], row["expected_high"])
    return CustomerStanding(
        customer_id=row["customer_id"],
        as_of=row["as_of"],
        state=row["state"],
        level=row["level"],
        lost_by_week=row["lost_by_week"],
        expected_weeks=weeks,
        silence_days=row["silence_days"],
        usual_gap_days=row["usual_gap_days"],
        limit_days=row["limit_days"],
        value_at_risk_minor=row["value_at_risk_minor"],
        reasons=warning["reasons"] if warning else row["reasons"],
        model_version=row["model_version"],
        warning_id=warning["warning_id"] if warning else None,
    )


def unscored(customer_id: UUID, visit_days: list[date], today: date) -> CustomerStanding:
    """Say what the rule says of somebody whom no scoring has met yet, from the days of their visits."""
    gaps = [(later - earlier).days for earlier, later in pairwise(visit_days)]
    silence = (today - visit_days[-1]).days if visit_days else None
    mean, longest = (fmean(gaps), float(max(gaps))) if gaps else (math.nan, math.nan)
    rhythm = rule.Rhythm.of(mean, longest, rule.LIMIT_DAYS)
    return CustomerStanding(
        customer_id=customer_id,
        as_of=today,
        state=_state(visit_days, today),
        level=0,
        lost_by_week=rule.loss_curve(rhythm, float(silence or 0)),
        expected_weeks=None,
        silence_days=silence,
        usual_gap_days=float(median(gaps)) if gaps else None,
        limit_days=float(rule.LIMIT_DAYS) if visit_days else None,
        value_at_risk_minor=0,
        reasons=[],
        model_version=rule.VERSION,
    )


def _state(visit_days: list[date], today: date) -> str:
    if len(visit_days) < VISITS_FOR_HISTORY or (today - visit_days[0]).days < KNOWN_DAYS_FOR_HISTORY:
        return "insufficient_history"
    return ALREADY_LOST if (today - visit_days[-1]).days > rule.LIMIT_DAYS else "active"
