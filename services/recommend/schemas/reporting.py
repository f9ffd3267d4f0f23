"""What front ends report of lists: seen, clicked, put into the cart, bought."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.recommend.domain.requests import Placement
from services.recommend.schemas.asking import Asked, Moment, ProductId, ShortText

Action = Literal["impression", "click", "add_to_cart", "purchase"]
EVENTS_MAX = 500


class EventIn(Asked):
    """Something that was done with a recommended product: attribution only, never a sale."""

    event_id: ShortText = Field(description="the front end's own; a second one of the same id counts once")
    type: Action
    request_id: UUID = Field(description="of the list that held the product")
    product_id: ProductId
    occurred_at: Moment | None = Field(default=None, description="now where not given")
    rank: int | None = Field(default=None, ge=1, le=1000)
    placement: Placement | None = Field(
        default=None, description="needed only where the list is no longer known here"
    )
    customer_id: UUID | None = None


class EventsIn(Asked):
    """Each event is judged alone."""

    events: list[dict[str, Any]] = Field(min_length=1, max_length=EVENTS_MAX)


class EventResult(BaseModel):
    event_id: str | None
    status: Literal["accepted", "repeat", "refused"]
    code: str | None = None
    message: str | None = None
    field: str | None = None


class EventsOut(BaseModel):
    results: list[EventResult]
