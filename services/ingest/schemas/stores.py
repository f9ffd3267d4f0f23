"""What stores count and show, beside the fields of their events (docs/events.md)."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.ingest.schemas.people import MessageId


class StoreCountIn(BaseModel):
    """What a count may add. Without a message_id its zone, sensor and interval make it unique."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    message_id: MessageId = None


class ShownPriceIn(BaseModel):
    """What a shown price adds. Without a message_id its tag, product and moment make it unique."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    message_id: MessageId = None
    shown_at: Annotated[AwareDatetime, Field(description="RFC 3339: since when the tag shows it")]


STORE_COUNT_EXAMPLE = {
    "store_id": "S01",
    "zone_id": "entrance",
    "sensor": "wifi",
    "starts_at": "2026-11-22T09:00:00+08:00",
    "ends_at": "2026-11-22T09:15:00+08:00",
    "counts": {"visitors": 42, "passers_by": 180},
}
SHOWN_PRICE_EXAMPLE = {
    "store_id": "S01",
    "zone_id": "dairy",
    "product_id": "P100",
    "currency": "CNY",
    "price_minor": 450,
    "regular_price_minor": 500,
    "shown_at": "2026-11-22T06:00:00+08:00",
}
