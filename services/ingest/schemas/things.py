"""Products, prices, stock, stores and staff: an event's own fields, and when it was so."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.events.base import Identifier


class ThingIn(BaseModel):
    """What all catalogue messages may add to the fields of their event (docs/events.md)."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    message_id: Annotated[
        Identifier | None, Field(description="your own number of this message; sending it again changes nothing")
    ] = None
    occurred_at: Annotated[AwareDatetime | None, Field(description="since when it is so; left out: now")] = None


PRODUCT_EXAMPLE = {
    "product_id": "P100",
    "name": "Shredded cheddar",
    "brand": "Dairyland",
    "categories": ["GROCERY", "CHEESE", "SHREDDED"],
    "size": "500 g",
}
