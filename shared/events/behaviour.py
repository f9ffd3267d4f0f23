"""What shoppers look at, search for and put in carts, on the web and in apps."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.base import (
    Count,
    Currency,
    EventData,
    Identifier,
    MinorUnits,
    Name,
    Part,
    Properties,
    Quantity,
    Sentence,
)

Channel = Literal["web", "app", "store", "unknown"]
SessionId = Annotated[Identifier | None, Field(description="The visit, as the web shop or app numbers it.")]


class ProductViewedV1(EventData):
    """A product's page was looked at. Superseded: `list` became `list_id`, and the channel was added."""

    is_superseded: ClassVar[bool] = True

    product_id: Identifier
    session_id: SessionId = None
    list: Identifier | None = Field(default=None, description="The list it was opened from.")
    price_minor: MinorUnits | None = Field(default=None, description="The price shown, minor units.")
    currency: Currency | None = None

    def upcast(self) -> "ProductViewedV2":
        """Version 1 did not say the channel."""
        return ProductViewedV2(
            product_id=self.product_id,
            session_id=self.session_id,
            list_id=self.list,
            price_minor=self.price_minor,
            currency=self.currency,
            channel="unknown",
        )


class ProductViewedV2(EventData):
    """A product's page was looked at."""

    product_id: Identifier
    session_id: SessionId = None
    list_id: Identifier | None = Field(default=None, description="The list it was opened from.")
    price_minor: MinorUnits | None = Field(default=None, description="The price shown, minor units.")
    currency: Currency | None = None
    channel: Channel = Field(description="Where it was looked at; unknown where the source does not say.")


class ListViewedV1(EventData):
    """A list of products was shown: a category, a collection, a search's results."""

    list_id: Identifier
    category_id: Identifier | None = None
    product_ids: tuple[Identifier, ...] = Field(default=(), max_length=500, description="In the order shown.")
    session_id: SessionId = None


class SearchPerformedV1(EventData):
    """Somebody searched the shop."""

    query: Sentence = Field(description="What was typed.")
    results_count: Count | None = Field(default=None, description="How many products were found.")
    session_id: SessionId = None


class CartLine(Part):
    """One product in a cart."""

    product_id: Identifier
    quantity: Quantity = Field(description="Decimal text.")
    unit_price_minor: MinorUnits | None = Field(default=None, description="Price of one unit, minor units.")


class CartChangedV1(EventData):
    """Products went into a cart or out of it."""

    cart_id: Identifier | None = None
    change: Literal["added", "removed", "updated", "emptied", "viewed"]
    lines: tuple[CartLine, ...] = Field(default=(), max_length=500, description="The products that changed.")
    currency: Currency | None = None
    session_id: SessionId = None


class CheckoutStartedV1(EventData):
    """Somebody began to pay."""

    checkout_id: Identifier | None = None
    lines: tuple[CartLine, ...] = Field(default=(), max_length=500)
    value_minor: MinorUnits | None = Field(default=None, description="What the order would cost, minor units.")
    currency: Currency | None = None
    coupons: tuple[Identifier, ...] = Field(default=(), max_length=50, description="Coupon codes entered.")
    session_id: SessionId = None


class PageViewedV1(EventData):
    """A page of the web shop or a screen of the app was shown."""

    name: Name | None = Field(default=None, description="The page's or screen's name.")
    path: Sentence | None = Field(default=None, description="The path without its query, which may hold secrets.")
    title: Sentence | None = None
    referrer_host: Name | None = Field(default=None, description="The host that linked here.")
    channel: Channel = "unknown"
    session_id: SessionId = None


class CustomV1(EventData):
    """Something a source reports that has no type of its own."""

    name: Name = Field(description="The source's own name of the event.")
    properties: Properties = Field(default_factory=dict, description="The source's own fields, uninterpreted.")
    session_id: SessionId = None
