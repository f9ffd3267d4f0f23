"""What came of recommendations, as front ends report it: written down and said, once each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from services.recommend import metrics
from services.recommend.handlers.shown import ACTIVITY, SOURCE
from services.recommend.store import activity, people
from services.recommend.store.activity import ActivityRow, ShownRow
from shared.customers.erasures import erased_among
from shared.db import Database, Transaction
from shared.events import Envelope
from shared.events.recommend import RecommendationClickedV1
from shared.identity import guest_subject_id
from shared.log import Outgoing, append


@dataclass(frozen=True, slots=True)
class Reported:
    """What a front end says that somebody did with a recommended product. `reported_id` is the front end's own."""

    reported_id: str
    request_id: UUID
    product_id: str
    action: str
    occurred_at: datetime
    rank: int | None = None
    placement: str | None = None
    customer_id: UUID | None = None

    @property
    def event_id(self) -> UUID:
        return uuid5(ACTIVITY, f"reported/{self.reported_id}")


async def report(database: Database, reported: Sequence[Reported], now: datetime) -> dict[str, str]:
    """Write down and say what is new; return accepted, repeat or unknown_request by the front end's ids."""
    async with database.transaction() as tx:
        await people.hold_off_erasures(tx)
        known = await activity.shown_by_request(tx, {each.request_id for each in reported})
        once = {each.event_id: each for each in await _without_erased(tx, list(reversed(reported)))}
        answered = {
            event_id: known.get(each.request_id)
            for event_id, each in once.items()
            if each.request_id in known or each.placement is not None
        }
        events = [_activity_event(once[event_id], shown, now) for event_id, shown in answered.items()]
        fresh = await append(tx, [Outgoing.of(event) for event in events])
        rows = [_activity_row(once[event_id], answered[event_id]) for event_id in fresh]
        await activity.insert_activity(tx, rows)
    outcomes = {
        event_id: "accepted" if event_id in fresh else "repeat" if event_id in answered else "unknown_request"
        for event_id in once
    }
    for event_id, outcome in outcomes.items():
        metrics.EVENTS.labels(once[event_id].action, outcome).inc()
    return {once[event_id].reported_id: outcome for event_id, outcome in outcomes.items()}


async def _without_erased(tx: Transaction, reported: Sequence[Reported]) -> list[Reported]:
    """Take off customers whom front ends go on naming after they were erased; lists shown to them are gone."""
    named = {each.customer_id for each in reported if each.customer_id is not None}
    erased = await erased_among(tx, named) if named else set()
    return [replace(each, customer_id=None) if each.customer_id in erased else each for each in reported]


def _customer_of(each: Reported, shown: ShownRow | None) -> UUID | None:
    return shown.customer_id if shown is not None and shown.customer_id is not None else each.customer_id


def _activity_row(each: Reported, shown: ShownRow | None) -> ActivityRow:
    return ActivityRow(
        each.event_id,
        each.occurred_at,
        each.request_id,
        _customer_of(each, shown),
        each.product_id,
        each.action,
    )


def _activity_event(each: Reported, shown: ShownRow | None, now: datetime) -> Envelope[RecommendationClickedV1]:
    customer_id = _customer_of(each, shown)
    return Envelope.of(
        RecommendationClickedV1.model_validate(
            {
                "request_id": each.request_id,
                "customer_id": customer_id,
                "placement": shown.placement if shown is not None else each.placement,
                "product_id": each.product_id,
                "rank": each.rank if shown is None else _rank_in(shown, each),
                "action": each.action,
            }
        ),
        event_id=each.event_id,
        occurred_at=each.occurred_at,
        received_at=now,
        subject_id=customer_id or guest_subject_id(each.event_id),
        subject_kind="guest" if customer_id is None else "identified",
        source=SOURCE,
    )


def _rank_in(shown: ShownRow, each: Reported) -> int | None:
    if each.product_id in shown.product_ids:
        return shown.product_ids.index(each.product_id) + 1
    return each.rank
