"""What shoppers do, as events of ours: known names become typed events, every other name stays what it was."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ValidationError

from services.ingest.mapping.messages import Message
from shared.events import EventData
from shared.events.behaviour import (
    CartChangedV1,
    CartLine,
    CheckoutStartedV1,
    CustomV1,
    ListViewedV1,
    PageViewedV1,
    ProductViewedV2,
    SearchPerformedV1,
)
from shared.money import InvalidMoney, minor_from_major

Fields = Mapping[str, Any]
Channel = Literal["web", "app", "unknown"]
LINES_MAX = 500
PRODUCT_IDS = ("product_id", "productId", "sku", "id")


def behaviour_of(message: Message, properties: Fields, currency: str, channel: Channel) -> EventData:
    """Return the event of a message whose `properties` hold no contact data any more.

    A message with a known name but without what its event needs (a product's view without product) is kept as
    a custom event: it is behaviour all the same.
    """
    name = (message.name or "").casefold()
    mapping = _TYPED.get(name) if message.type == "track" else None
    if message.type in {"page", "screen"}:
        return _page(message, properties, channel)
    if mapping is not None:
        try:
            return mapping(_Facts(properties, currency, message.session_id, channel))
        except (ValidationError, KeyError):
            return _custom(message, properties)
    return _custom(message, properties)


class _Facts:
    """A message's properties with what every mapping needs beside them."""

    def __init__(self, fields: Fields, currency: str, session_id: str | None, channel: Channel) -> None:
        self.fields = fields
        said = fields.get("currency")
        self.currency = said.upper() if isinstance(said, str) and len(said) == 3 else currency
        self.session_id = session_id
        self.channel = channel

    def text(self, *names: str) -> str | None:
        return first_text(self.fields, names)

    def minor(self, *names: str) -> int | None:
        return money_of(self.fields, names, self.currency)

    def lines(self) -> tuple[CartLine, ...]:
        products = self.fields.get("products")
        listed: Sequence[Any] = products if isinstance(products, list) else [self.fields]
        lines = (cart_line(one, self.currency) for one in listed[:LINES_MAX] if isinstance(one, Mapping))
        return tuple(line for line in lines if line is not None)


def first_text(fields: Fields, names: Sequence[str]) -> str | None:
    """Return the first of these fields that holds text or a number."""
    for name in names:
        found = fields.get(name)
        if isinstance(found, str | int | float) and not isinstance(found, bool) and str(found).strip():
            return str(found).strip()
    return None


def money_of(fields: Fields, names: Sequence[str], currency: str) -> int | None:
    """Return an amount in major units as minor units; None where there is none, or it is none."""
    found = first_text(fields, names)
    if found is None:
        return None
    try:
        return max(minor_from_major(found, currency), 0)
    except InvalidMoney:
        return None


def quantity_text(fields: Fields) -> str:
    """Return a quantity as decimal text; 1 where none is said."""
    found = first_text(fields, ("quantity", "qty"))
    try:
        exact = Decimal(found or "1")
        plain = f"{exact:f}" if exact.is_finite() and abs(exact.adjusted()) < 12 else "1"
    except InvalidOperation:
        plain = "1"
    whole, _, part = plain.removeprefix("-").partition(".")
    return f"{whole}.{part[:6]}" if part else whole


def product_id_of(fields: Fields) -> str | None:
    return first_text(fields, PRODUCT_IDS)


def cart_line(fields: Fields, currency: str) -> CartLine | None:
    product_id = product_id_of(fields)
    if product_id is None:
        return None
    price_minor = money_of(fields, ("price",), currency)
    return CartLine(product_id=product_id, quantity=quantity_text(fields), unit_price_minor=price_minor)


def _viewed(facts: _Facts) -> EventData:
    return ProductViewedV2(
        product_id=product_id_of(facts.fields) or "",
        session_id=facts.session_id,
        list_id=facts.text("list_id"),
        price_minor=facts.minor("price"),
        currency=facts.currency,
        channel=facts.channel,
    )


def _listed(facts: _Facts) -> EventData:
    return ListViewedV1(
        list_id=facts.text("list_id", "category", "list") or "",
        category_id=facts.text("category_id", "category"),
        product_ids=tuple(line.product_id for line in facts.lines()),
        session_id=facts.session_id,
    )


def _searched(facts: _Facts) -> EventData:
    return SearchPerformedV1(query=facts.text("query") or "", session_id=facts.session_id)


def _cart(change: Literal["added", "removed", "viewed"]) -> Callable[[_Facts], EventData]:
    def changed(facts: _Facts) -> EventData:
        lines = facts.lines()
        if change != "viewed" and not lines:
            raise KeyError("product_id")
        return CartChangedV1(
            cart_id=facts.text("cart_id"),
            change=change,
            lines=lines,
            currency=facts.currency,
            session_id=facts.session_id,
        )

    return changed


def _checkout(facts: _Facts) -> EventData:
    coupon = facts.text("coupon")
    return CheckoutStartedV1(
        checkout_id=facts.text("checkout_id", "order_id"),
        lines=facts.lines(),
        value_minor=facts.minor("value", "total", "revenue"),
        currency=facts.currency,
        coupons=(coupon,) if coupon else (),
        session_id=facts.session_id,
    )


def _page(message: Message, properties: Fields, channel: Channel) -> EventData:
    page = message.context.get("page")
    about = {**(page if isinstance(page, Mapping) else {}), **properties}
    path = first_text(about, ("path",)) or urlsplit(first_text(about, ("url",)) or "").path
    referrer = urlsplit(first_text(about, ("referrer",)) or "")
    return PageViewedV1(
        name=message.name,
        path=path.partition("?")[0][:1000] or None,
        title=(first_text(about, ("title",)) or "")[:1000] or None,
        referrer_host=(referrer.hostname or "")[:200] or None,
        channel="app" if message.type == "screen" else channel,
        session_id=message.session_id,
    )


def _custom(message: Message, properties: Fields) -> EventData:
    return CustomV1(name=message.name or message.type, properties=dict(properties), session_id=message.session_id)


_TYPED: Mapping[str, Callable[[_Facts], EventData]] = {
    "product viewed": _viewed,
    "product clicked": _viewed,
    "product list viewed": _listed,
    "product list filtered": _listed,
    "products searched": _searched,
    "product added": _cart("added"),
    "product removed": _cart("removed"),
    "wishlist product added to cart": _cart("added"),
    "cart viewed": _cart("viewed"),
    "checkout started": _checkout,
}
