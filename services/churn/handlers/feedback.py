"""What people answer to a warning: kept as it was said, and closing or hiding the warning where it means that."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from services.churn import metrics
from services.churn.errors import StoreNotServed, WarningNotFound
from services.churn.handlers import transitions
from services.churn.store import warnings
from shared.db import Database, Row
from shared.keys import EVERYTHING, Caller

Verdict = Literal["useful", "wrong", "done", "snooze"]

ENDING = frozenset({"wrong", "done"})
SNOOZE_DAYS = 7


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody said of a warning; `snooze_days` counts only where they want it hidden."""

    verdict: Verdict
    note: str | None
    snooze_days: int


async def give(  # noqa: PLR0913, PLR0917 (who says what of which, and when)
    database: Database, warning_id: UUID, answer: Answer, caller: Caller, now: datetime, today: date
) -> Row:
    """Keep an answer and return the warning as it is then. Raises WarningNotFound, StoreNotServed.

    `wrong` and `done` end an open warning; `snooze` takes it off the list for some days; `useful` is only kept.
    """
    async with database.transaction() as tx:
        row, open_warning = await warnings.open_by_id(tx, warning_id)
        if row is None:
            raise WarningNotFound("no warning has this id")
        if not _serves(caller, row["store_id"]):
            raise StoreNotServed("this warning is of a store that this key is not for")
        await warnings.add_feedback(tx, warning_id, answer.verdict, answer.note, caller.actor, now)
        if open_warning is not None and answer.verdict in ENDING:
            await transitions.close(tx, [open_warning], outcome="dismissed", as_of=today, at=now)
        elif open_warning is not None and answer.verdict == "snooze":
            await warnings.snooze(tx, warning_id, today + timedelta(days=answer.snooze_days))
        after, _ = await warnings.open_by_id(tx, warning_id)
        assert after is not None
    metrics.FEEDBACK.labels(answer.verdict).inc()
    return after


def _serves(caller: Caller, store_id: str | None) -> bool:
    return EVERYTHING in caller.store_ids if store_id is None else caller.serves_store(store_id)
