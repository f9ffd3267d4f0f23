"""Things: products, prices, stock, stores and staff. Each event holds the whole new state of its part."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from shared.events.base import (
    Attributes,
    Currency,
    EventData,
    Flag,
    Identifier,
    MinorUnits,
    Name,
    Part,
    Sentence,
    SignedQuantity,
    UtcDatetime,
)

ZoneName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*$", max_length=64)]

Gtin = Annotated[str, Field(pattern=r"^[0-9]{14}$")]


class _AboutProduct(Part):
    product_id: Identifier

    @property
    def thing_key(self) -> str:
        return self.product_id


class _AboutStore(Part):
    store_id: Identifier

    @property
    def thing_key(self) -> str:
        return self.store_id


class ProductChangedV1(_AboutProduct, EventData):
    """A product as it is now."""

    name: Name
    brand: Name | None = None
    categories: tuple[Name, ...] = Field(
        default=(), max_length=10, description="From the department down, such as GROCERY, CHEESE, SHREDDED."
    )
    size: Name | None = Field(default=None, description="The package, such as 500 g.")
    image_url: Sentence | None = None
    is_sold: Flag = Field(default=True, description="False: no longer in the range, never to be recommended.")
    launched_on: date | None = None
    attributes: Attributes = Field(default_factory=dict)
    gtins: tuple[Gtin, ...] = Field(default=(), max_length=20, description="Its bar codes, each in 14 digits.")


class PriceChangedV1(_AboutProduct, EventData):
    """A product's price from a moment on."""

    store_id: Identifier | None = Field(default=None, description="Null: in every store without its own price.")
    currency: Currency
    price_minor: MinorUnits = Field(description="What is asked for one unit, minor units.")
    regular_price_minor: MinorUnits | None = Field(default=None, description="Without the promotion, minor units.")
    valid_from_at: UtcDatetime | None = Field(default=None, description="Null: from when it happened.")
    valid_until_at: UtcDatetime | None = Field(default=None, description="Excluded; null: until the next price.")


class StockChangedV1(_AboutProduct, EventData):
    """How much of a product a store has."""

    store_id: Identifier
    quantity: SignedQuantity = Field(description="On hand after the change; decimal text, negative when oversold.")


class StoreChangedV1(_AboutStore, EventData):
    """A store as it is now."""

    name: Name
    brand: Name | None = None
    area: Name | None = Field(default=None, description="Region or district by which stores are grouped.")
    city: Name | None = None
    time_zone: ZoneName = Field(description="IANA zone, such as Asia/Shanghai.")

    channel: Literal["store", "online"] = "store"
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = Field(default=None, description="Degrees.")
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = Field(default=None, description="Degrees.")
    is_open: Flag = Field(default=True, description="False: closed for good.")


class StaffChangedV1(_AboutStore, EventData):
    """Somebody who works in a store, as it is now."""

    staff_id: Identifier
    display_name: Name | None = Field(default=None, description="As customers may see it.")
    role: Name | None = None
    is_active: Flag = True
