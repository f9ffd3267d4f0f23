"""The route of what became of lists: seen, clicked, put into a cart, bought."""

from datetime import datetime

from pydantic import ValidationError

from services.recommend.api.dependencies import READ, AtDesk, Db, Now
from services.recommend.handlers import activity
from services.recommend.handlers.activity import Reported
from services.recommend.schemas.reporting import EventIn, EventResult, EventsIn, EventsOut
from shared.http.body import Router
from shared.http.problem import validation_item

router = Router(prefix="/v1", tags=["recommend"])


@router.post("/events", dependencies=[READ], summary="Report impressions, clicks, carts and purchases")
async def report_events(asked: EventsIn, database: Db, now: Now, desk: AtDesk) -> EventsOut:
    parsed = [_event(raw) for raw in asked.events]
    reported = [_reported(event, now) for event in parsed if isinstance(event, EventIn)]
    await desk.shown.flush()
    outcomes = await activity.report(database, reported, now) if reported else {}
    return EventsOut(results=[_result(event, outcomes) for event in parsed])


def _event(raw: dict[str, object]) -> EventIn | EventResult:
    try:
        return EventIn.model_validate(raw)
    except ValidationError as error:
        item = error.errors(include_url=False)[0]
        fault = validation_item({**item, "loc": ("body", *item["loc"])}, raw)
        named = raw.get("event_id")
        return EventResult(
            event_id=named[:128] if isinstance(named, str) else None,
            status="refused",
            code="invalid_event",
            message=str(fault["message"]),
            field=str(fault["field"]),
        )


def _reported(event: EventIn, now: datetime) -> Reported:
    return Reported(
        reported_id=event.event_id,
        request_id=event.request_id,
        product_id=event.product_id,
        action=event.type,
        occurred_at=event.occurred_at or now,
        rank=event.rank,
        placement=event.placement.value if event.placement else None,
        customer_id=event.customer_id,
    )


def _result(event: EventIn | EventResult, outcomes: dict[str, str]) -> EventResult:
    """Return what became of an event; a second one of its id in the same body is a repeat."""
    if isinstance(event, EventResult):
        return event
    outcome = outcomes[event.event_id]
    if outcome == "accepted":
        outcomes[event.event_id] = "repeat"
        return EventResult(event_id=event.event_id, status="accepted")
    if outcome == "repeat":
        return EventResult(event_id=event.event_id, status="repeat")
    return EventResult(
        event_id=event.event_id,
        status="refused",
        code="unknown_request",
        message="no list of this request_id is known; give its placement",
        field="/request_id",
    )
