"""What front ends report of lists: seen, clicked, put into the cart, bought."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

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


class _ShownAsEvent:
    """Tells of an event that is judged later what it should look like."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(EventIn.__pydantic_core_schema__)


class EventsIn(Asked):
    """Each event is judged alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "events": [
                        {
                            "event_id": "8f14e45f-1",
                            "type": "click",
                            "request_id": "7d9a2c1e-0f5b-4c60-9a51-2f4be0a1c9d3",
                            "product_id": "P100",
                        }
                    ]
                }
            ]
        }
    )

    events: list[Annotated[dict[str, Any], _ShownAsEvent()]] = Field(min_length=1, max_length=EVENTS_MAX)


class EventResult(BaseModel):
    event_id: str | None
    status: Literal["accepted", "repeat", "refused"]
    code: str | None = None
    message: str | None = None
    field: str | None = None


class EventsOut(BaseModel):
    results: list[EventResult]
