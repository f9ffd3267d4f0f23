"""What is counted and shown in stores: by sensors, tills and price tags; never a person, a device or a face."""

from typing import Annotated, Literal

from pydantic import Field

from shared.events.base import Code, Count, Currency, EventData, Identifier, MinorUnits, Part, UtcDatetime

Measure = Annotated[Code, Field(description="visitors, entries, passers_by, assistance_calls, aborted_scans, …")]


class _InStore(Part):
    store_id: Identifier
    zone_id: Identifier | None = Field(default=None, description="The part of the store; null: the whole of it.")

    @property
    def thing_key(self) -> str:
        return self.store_id


class StoreCountedV1(_InStore, EventData):
    """How often something happened in a store's zone within an interval of a minute or more."""

    sensor: Literal["wifi", "video", "door", "self_checkout", "other"] = Field(description="What counted.")
    sensor_id: Identifier | None = Field(default=None, description="Which one, as the store numbers it.")
    starts_at: UtcDatetime
    ends_at: UtcDatetime = Field(description="Excluded.")
    counts: dict[Measure, Count] = Field(min_length=1, max_length=50, description="Measure to how many.")


class PriceShownV1(_InStore, EventData):
    """The price that an electronic tag showed from a moment on."""

    product_id: Identifier
    tag_id: Identifier | None = Field(default=None, description="Which tag, as the store numbers it.")
    currency: Currency
    price_minor: MinorUnits = Field(description="What is asked for one unit, minor units.")
    regular_price_minor: MinorUnits | None = Field(default=None, description="What was crossed out, minor units.")
