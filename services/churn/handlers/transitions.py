"""Saying what became of warnings: rows and events in one transaction, each transition numbered once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.churn.episodes import LEVEL_NAMES, OpenWarning, Outcome
from services.churn.store import warnings
from services.churn.store.warnings import Figures
from shared.db import Transaction
from shared.events import Envelope, EventData, Source
from shared.events.warnings import Reason, WarningChangedV1, WarningClosedV1, WarningRaisedV1
from shared.identity import transition_id
from shared.log import Outgoing, append

KIND = "warning"
EVENT_LANGUAGE = "en"
_SOURCE = Source(id="churn", kind="service")


@dataclass(frozen=True, slots=True)
class Change:
    """An open warning that has another level now."""

    warning: OpenWarning
    figures: Figures
    reasons: list[dict[str, Any]]


async def raise_warnings(
    tx: Transaction, raised: Sequence[Figures], reasons: Mapping[UUID, list[dict[str, Any]]], at: datetime
) -> None:
    """Open a warning for each customer; the warning's id is that of the event that raises it."""
    if not raised:
        return
    numbers = await warnings.count_up(tx, {each.customer_id for each in raised})
    ids = {customer_id: transition_id(KIND, customer_id, n) for customer_id, n in numbers.items()}
    await warnings.insert(tx, raised, ids, reasons)
    events = [
        WarningRaisedV1(
            **_described(each, reasons[each.customer_id]),
            warning_id=ids[each.customer_id],
            n=numbers[each.customer_id],
        )
        for each in raised
    ]
    await _say(tx, events, at)


async def change_levels(tx: Transaction, changes: Sequence[Change], at: datetime) -> None:
    """Say new levels; the rows are renewed with all others."""
    if not changes:
        return
    numbers = await warnings.count_up(tx, {change.warning.customer_id for change in changes})
    events = [
        WarningChangedV1(
            **_described(change.figures, change.reasons),
            warning_id=change.warning.warning_id,
            n=numbers[change.warning.customer_id],
            previous_level=LEVEL_NAMES[change.warning.level],
        )
        for change in changes
    ]
    await _say(tx, events, at)


async def close(
    tx: Transaction, ended: Sequence[OpenWarning], *, outcome: Outcome, as_of: date, at: datetime
) -> None:
    """Close warnings that ended in the same way."""
    if not ended:
        return
    await warnings.close(tx, [warning.warning_id for warning in ended], as_of, outcome)
    numbers = await warnings.count_up(tx, {warning.customer_id for warning in ended})
    events = [
        WarningClosedV1(
            warning_id=warning.warning_id,
            customer_id=warning.customer_id,
            n=numbers[warning.customer_id],
            outcome=outcome,
            last_level=LEVEL_NAMES[warning.level],
            as_of=as_of,
        )
        for warning in ended
    ]
    await _say(tx, events, at)


def _described(figures: Figures, reasons: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "customer_id": figures.customer_id,
        "level": LEVEL_NAMES[figures.level],
        "probability_8w": figures.probability_8w,
        "expected_weeks": (figures.expected_low, figures.expected_high),
        "value_at_risk_minor": figures.value_at_risk_minor,
        "currency": figures.currency,
        "reasons": tuple(_reason(reason) for reason in reasons),
        "as_of": figures.as_of,
        "model_version": figures.model_version,
    }


def _reason(reason: Mapping[str, Any]) -> Reason:
    return Reason(
        code=reason["code"],
        text=reason["text"][EVENT_LANGUAGE],
        now=reason["now"],
        usual=reason["usual"],
        since=date.fromisoformat(reason["since"]),
    )


async def _say(
    tx: Transaction, data: Sequence[WarningRaisedV1 | WarningChangedV1 | WarningClosedV1], at: datetime
) -> None:
    envelopes: list[Envelope[EventData]] = [
        Envelope.of(
            each,
            event_id=transition_id(KIND, each.customer_id, each.n),
            occurred_at=at,
            received_at=at,
            subject_id=each.customer_id,
            subject_kind="identified",
            source=_SOURCE,
        )
        for each in data
    ]
    await append(tx, [Outgoing.of(envelope) for envelope in envelopes])
