"""Scoring all customers as of a day: read, judge, then write scores, warnings and events in one transaction."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import structlog

from services.churn import rule
from services.churn.artefacts import OutdatedModel, model_of
from services.churn.domain import Level, to_warn
from services.churn.episodes import LEVEL_NAMES, Fate, OpenWarning, Standing, fates, may_be_warned
from services.churn.fallback import rule_model
from services.churn.handlers import transitions
from services.churn.handlers.objecting import drop
from services.churn.handlers.transitions import Change
from services.churn.history import History, date_of, day_number
from services.churn.judging import READ_BACK_DAYS, Judgement, judge, reason_json
from services.churn.scorer import Model
from services.churn.store import consents, scores, warnings
from services.churn.store.history import read_history
from services.churn.store.requests import finish
from services.churn.store.scores import Score, Scoring
from services.churn.store.warnings import Figures
from shared.customers.erasures import erased_among
from shared.db import Database, Transaction
from shared.registry import Registry, UnknownVersionError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Policy:
    """How a chain wants to be warned; shares are of the regular customers, times in the named unit."""

    currency: str
    category_level: int
    warning_share: float
    cooldown_days: int
    weeks_kept: int


@dataclass(frozen=True, slots=True)
class Judged:
    """All customers of one scoring, as they are stored, and the capacity for new warnings."""

    scores: list[Score]
    standings: dict[UUID, Standing]
    figures: dict[UUID, Figures]
    alert: dict[UUID, float]
    capacity: int


async def score_customers(  # noqa: PLR0913 (all named where it is called)
    database: Database,
    registry: Registry,
    policy: Policy,
    *,
    as_of: date,
    at: datetime,
    request_id: UUID | None = None,
) -> dict[str, Any]:
    """Score everybody as of the evening of a day and bring the warnings up to date; return what came of it.

    Scoring a day again replaces its scores and says only what is new. A day before the last scored one is scored
    for the record and moves no warning.
    """
    version, model = load_model(registry)
    day = day_number(as_of) + 1
    history = await read_history(
        database,
        since=date_of(day - READ_BACK_DAYS),
        until=as_of,
        currency=policy.currency,
        category_level=policy.category_level,
    )
    previous = await scores.levels_before(database, as_of)
    levels = np.array([previous.get(one, 0) for one in history.customer_ids], dtype=np.int64)
    judged = _judged(history, judge(model, history.visits, day, levels), policy, version)
    async with database.transaction() as tx:
        result = await _write(tx, judged, policy, as_of=as_of, version=version, at=at)
        if request_id is not None:
            await finish(tx, request_id, result, at)
    return result


def load_model(registry: Registry) -> tuple[str, Model]:
    """Return the model in use; before the first, and after one of other features, the rule."""
    try:
        stored = registry.load()
        return stored.manifest.version, model_of(stored.manifest, stored.files)
    except UnknownVersionError:
        return rule.VERSION, rule_model()
    except OutdatedModel as outdated:
        log.warning("model.outdated", reason=str(outdated))
        return rule.VERSION, rule_model()


def _judged(history: History, found: Judgement, policy: Policy, version: str) -> Judged:
    as_of = date_of(found.day - 1)
    ids = history.customer_ids
    kept = [_score(row, found, history) for row in found.rows().tolist()]
    silence = found.now.column("silence_days")
    standings = {
        ids[row]: Standing(int(found.level[row]), found.state[row], date_of(found.day - int(silence[row])))
        for row in found.rows().tolist()
    }
    figures = {score.customer_id: _figures(score, policy.currency, as_of, version) for score in kept if score.level}
    alert = {ids[row]: float(found.scores.alert[row]) for row in np.flatnonzero(found.level > Level.NONE).tolist()}
    return Judged(kept, standings, figures, alert, round(policy.warning_share * int(found.regular.sum())))


def _score(row: int, found: Judgement, history: History) -> Score:
    low, high = (int(week) or None for week in found.weeks[row])
    store = int(found.store[row])
    return Score(
        customer_id=history.customer_ids[row],
        state=found.state[row],
        level=int(found.level[row]),
        lost_by_week=found.scores.lost_by_week[row].tolist(),
        lapse28=float(found.scores.lapse28[row]),
        partial56=_known(float(found.scores.partial56[row])),
        expected_low=low,
        expected_high=high,
        silence_days=int(found.now.column("silence_days")[row]),
        usual_gap_days=_known(float(found.now.column("gap_median_days")[row])),
        limit_days=float(found.now.column("limit_days")[row]),
        value_at_risk_minor=int(found.value_at_risk_minor[row]),
        urgency=float(found.urgency[row]),
        store_id=history.store_ids[store] if store >= 0 else None,
        reasons=[reason_json(reason) for reason in found.reasons.get(row, ())],
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _figures(score: Score, currency: str, as_of: date, version: str) -> Figures:
    return Figures(
        customer_id=score.customer_id,
        level=score.level,
        probability_8w=score.lost_by_week[7],
        expected_low=score.expected_low or 1,
        expected_high=score.expected_high or rule.WEEKS,
        value_at_risk_minor=score.value_at_risk_minor,
        currency=currency,
        urgency=score.urgency,
        store_id=score.store_id,
        as_of=as_of,
        model_version=version,
    )


async def _write(  # noqa: PLR0913 (one scoring, all named)
    tx: Transaction, judged: Judged, policy: Policy, *, as_of: date, version: str, at: datetime
) -> dict[str, Any]:
    await scores.lock_scoring(tx)
    customer_ids = [score.customer_id for score in judged.scores]
    objecting = await consents.objecting_among(tx, customer_ids)
    # A merge may have made somebody an objector who had a warning.
    await drop(tx, objecting, as_of=as_of, at=at)
    gone = await erased_among(tx, customer_ids) | objecting
    kept = [score for score in judged.scores if score.customer_id not in gone]
    last = await scores.last_scoring(tx)
    moves = last is None or as_of >= last.as_of
    moved = await _move_warnings(tx, judged, gone, policy, as_of, at) if moves else {}
    levels = Counter(LEVEL_NAMES[score.level] for score in kept)
    scoring = Scoring(as_of, version, len(kept), levels, moves, at)
    await scores.replace_scores(tx, scoring, kept)
    await scores.drop_before(tx, as_of, policy.weeks_kept)
    return {
        "as_of": as_of.isoformat(),
        "model_version": version,
        "customers": len(kept),
        "levels": {name: levels[name] for name in LEVEL_NAMES},
        "moved_warnings": moves,
        "warnings": {"raised": 0, "changed": 0, "closed": 0} | moved,
    }


async def _move_warnings(  # noqa: PLR0913, PLR0917 (one scoring)
    tx: Transaction, judged: Judged, gone: set[UUID], policy: Policy, as_of: date, at: datetime
) -> dict[str, int]:
    known = await warnings.all_open(tx)
    fate = fates(known, {one: each for one, each in judged.standings.items() if one not in gone})
    reasons = {score.customer_id: score.reasons for score in judged.scores if score.level}
    for outcome in sorted(set(fate.closed.values())):
        ended = [known[one] for one, how in sorted(fate.closed.items()) if how == outcome]
        await transitions.close(tx, ended, outcome=outcome, as_of=as_of, at=at)
    await _change(tx, known, judged, fate, at)
    await warnings.renew(tx, [judged.figures[one] for one in sorted(set(known) - set(fate.closed))])
    chosen = await _to_raise(tx, judged, set(known) | gone, policy, as_of)
    await transitions.raise_warnings(tx, [judged.figures[one] for one in chosen], reasons, at)
    return {"raised": len(chosen), "changed": len(fate.changed), "closed": len(fate.closed)}


async def _change(
    tx: Transaction, known: Mapping[UUID, OpenWarning], judged: Judged, fate: Fate, at: datetime
) -> None:
    """Say the new levels, with the reasons that each warning was opened with."""
    opened_with = await warnings.reasons_of_open(tx, fate.changed)
    changes = [
        Change(known[customer_id], judged.figures[customer_id], opened_with[customer_id])
        for customer_id in sorted(fate.changed)
    ]
    await transitions.change_levels(tx, changes, at)


async def _to_raise(
    tx: Transaction, judged: Judged, left_out: set[UUID], policy: Policy, as_of: date
) -> Sequence[UUID]:
    """Choose whom to warn of: the highest alert scores among those allowed, as many as the capacity still holds."""
    resting = await warnings.last_closed(tx, as_of - timedelta(days=policy.cooldown_days))
    capacity = judged.capacity - await warnings.opened_on(tx, as_of)
    customer_ids = sorted(judged.figures)
    allowed = [
        may_be_warned(
            judged.figures[one].level,
            resting.get(one),
            is_open=one in left_out,
            as_of=as_of,
            cooldown_days=policy.cooldown_days,
        )
        for one in customer_ids
    ]
    alert = np.array([judged.alert[one] for one in customer_ids], dtype=np.float64)
    rows = to_warn(alert, np.array(allowed, dtype=np.bool_), max(capacity, 0))
    return [customer_ids[row] for row in rows.tolist()]


def summary_of(result: Mapping[str, Any]) -> str:
    """Return one line for a person about what a scoring found."""
    moved = result["warnings"]
    return (
        f"{result['customers']} customers as of {result['as_of']} by {result['model_version']}: "
        f"{moved['raised']} warnings raised, {moved['changed']} changed, {moved['closed']} closed"
    )
