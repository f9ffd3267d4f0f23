"""A web shop's orders and refunds as receipts: the same facts that a till's receipts are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from services.ingest.domain.digests import order_key
from services.ingest.domain.faults import Refused
from services.ingest.domain.quality import CURRENCY, Correction, currency_code
from services.ingest.domain.shares import spread
from services.ingest.drafts import Context, Replaced, Settled
from services.ingest.mapping.behaviour import first_text, product_id_of, quantity_text
from services.ingest.mapping.messages import Message
from services.ingest.mapping.standard import known_products
from shared.events import EventData
from shared.events.receipts import Discount, ReceiptLine, ReceiptRecordedV1, ReceiptVoidedV1, ReturnsOf
from shared.money import InvalidMoney, currency_exponent, minor_from_major

COMPLETED = "order completed"
REFUNDED = "order refunded"
CANCELLED = "order cancelled"
UNSPECIFIED_PRODUCT = "unspecified"
LINES_MAX = 2000


def sale_key(order_id: str, version: str = "") -> str:
    """Return the key of an order's sale: of the first, or of one that an edit put in its place."""
    return order_key("edit", order_id, version) if version else order_key("sale", order_id)


class Order:
    """An order, its refund or its cancellation, read from a message. Raises Refused from its constructor."""

    def __init__(self, message: Message, context: Context) -> None:
        self.message = message
        self.context = context
        self.fields: Mapping[str, Any] = message.properties
        self.corrections: list[Correction] = []
        self.is_refund = (message.name or "").casefold() == REFUNDED
        self.is_cancelled = (message.name or "").casefold() == CANCELLED
        self.order_id = self._order_id()
        self.currency = self._currency()
        self.products = self._products()
        self.total_minor = self._total_minor()
        self.corrections += known_products(self.lines(self.total_minor or 0), context.codes)[1]

    @property
    def key(self) -> str:
        refund_id = first_text(self.fields, ("refund_id",)) or ""
        if self.is_cancelled:
            return order_key("void", self.order_id)
        return order_key("refund", self.order_id, refund_id) if self.is_refund else sale_key(self.order_id)

    @property
    def sale_key(self) -> str:
        """The key of the order that a refund or cancellation is of."""
        return sale_key(self.order_id)

    @property
    def refers_to(self) -> str | None:
        return self.sale_key if self.is_refund or self.is_cancelled else None

    @property
    def store_id(self) -> str:
        return (first_text(self.fields, ("store_id", "affiliation")) or self.context.source.source_id)[:128]

    def canonical(self) -> bytes:
        """Return what counts when the same order is told again; when it was told does not."""
        if self.is_cancelled:
            return repr((self.order_id, "cancelled")).encode()
        parts = (*self.lines(self.total_minor or 0), *self._discounts())
        told = [part.model_dump_json() for part in parts]
        about: tuple[object, ...] = (self.order_id, self.is_refund, self.store_id, self.currency, self.total_minor)
        about = (*about, self._coupons(), *(("training",) if self._is_training else ()))
        return repr((*about, told)).encode()

    def says(self, settled: Settled) -> Sequence[EventData]:
        """Return the receipt; a refund without amounts is of the whole order, which must then be known."""
        if self.is_cancelled:
            return [self._voided(settled)]
        if settled.replaced is not None:
            return [self._receipt(settled, self.total_minor or 0), self._replaced(settled, settled.replaced)]
        total_minor = self.total_minor
        if total_minor is None:
            original = settled.original
            if original is None or original.sold_minor is None:
                raise Refused(
                    "missing_field",
                    "a refund of an order not seen before says how much it is; send total or products",
                    "/properties/total",
                )
            total_minor = original.sold_minor
        return [self._receipt(settled, total_minor)]

    def lines(self, total_minor: int) -> tuple[ReceiptLine, ...]:
        """Return lines that add up to the total: shipping, tax and discounts are spread over the products."""
        if not self.products:
            line = ReceiptLine(
                line_number=1,
                product_id=UNSPECIFIED_PRODUCT,
                quantity="1",
                unit_price_minor=total_minor,
                amount_minor=total_minor,
            )
            return (line,)
        weights = [unit_minor * quantity for _, quantity, unit_minor in self._priced()]
        shares = spread(total_minor, [int(weight) for weight in weights])
        return tuple(
            ReceiptLine(
                line_number=number,
                product_id=product_id[:128],
                quantity=quantity_text(self.products[number - 1]),
                unit_price_minor=unit_minor,
                amount_minor=share,
            )
            for number, ((product_id, _, unit_minor), share) in enumerate(
                zip(self._priced(), shares, strict=True), start=1
            )
        )

    def _receipt(self, settled: Settled, total_minor: int) -> ReceiptRecordedV1:
        zone = ZoneInfo(self.context.time_zone)
        local = self.message.occurred_at.astimezone(zone)
        offset = local.utcoffset()
        kind: Literal["sale", "return"] = "return" if self.is_refund else "sale"
        return ReceiptRecordedV1(
            receipt_id=settled.event_id,
            store_id=self.store_id,
            business_date=local.date(),
            order_id=self.order_id,
            currency=self.currency,
            kind=kind,
            lines=known_products(self.lines(total_minor), self.context.codes)[0],
            discounts=self._discounts(),
            coupons=self._coupons(),
            returns_of=self._returns_of(settled.original_id, local),
            other_subject_ids=settled.other_subject_ids,
            utc_offset_minutes=0 if offset is None else int(offset.total_seconds()) // 60,
            channel="online",
            training=self._is_training,
        )

    def _voided(self, settled: Settled) -> ReceiptVoidedV1:
        """Return what takes the order back; its amount is needed only where the order is not known."""
        assert settled.original_id is not None
        known = settled.original
        return ReceiptVoidedV1(
            receipt_id=settled.event_id,
            store_id=self.store_id,
            business_date=self.message.occurred_at.astimezone(ZoneInfo(self.context.time_zone)).date(),
            order_id=self.order_id,
            currency=self.currency,
            training=self._is_training,
            voids_receipt_id=settled.original_id,
            amount_minor=(known.sold_minor if known is not None else self.total_minor) or 0,
            reason=(first_text(self.fields, ("reason", "cancel_reason")) or "")[:200] or None,
        )

    def _replaced(self, settled: Settled, replaced: Replaced) -> ReceiptVoidedV1:
        """Return what takes back the receipt that was recorded before the order was edited, and names the new one."""
        return ReceiptVoidedV1(
            receipt_id=replaced.void_id,
            store_id=self.store_id,
            business_date=self.message.occurred_at.astimezone(ZoneInfo(self.context.time_zone)).date(),
            order_id=self.order_id,
            currency=replaced.receipt.currency or self.currency,
            voids_receipt_id=replaced.receipt.event_id,
            replaced_by_receipt_id=settled.event_id,
            amount_minor=replaced.receipt.sold_minor or 0,
            reason="the order was edited",
        )

    @property
    def _is_training(self) -> bool:
        """Whether it was ordered to try the shop out: kept, never counted."""
        return self.fields.get("training") is True

    def _returns_of(self, original_id: UUID | None, local: datetime) -> ReturnsOf | None:
        if original_id is None:
            return None
        return ReturnsOf(receipt_id=original_id, store_id=self.store_id, business_date=local.date())

    def _discounts(self) -> tuple[Discount, ...]:
        discount_minor = self._money("discount")
        if self.is_refund or not discount_minor:
            return ()
        return (Discount(kind="order", code=self._coupon(), amount_minor=discount_minor),)

    def _coupons(self) -> tuple[str, ...]:
        coupon = self._coupon()
        return (coupon,) if coupon else ()

    def _coupon(self) -> str | None:
        return (first_text(self.fields, ("coupon",)) or "")[:128] or None

    def _order_id(self) -> str:
        order_id = first_text(self.fields, ("order_id", "orderId"))
        if order_id is None:
            raise Refused("missing_field", "an order has its number", "/properties/order_id")
        if len(order_id) > 128:
            raise Refused("invalid_field", "is longer than 128 characters", "/properties/order_id")
        return order_id

    def _currency(self) -> str:
        said = first_text(self.fields, ("currency",)) or self.context.currency
        currency = currency_code(said)
        if currency != said:
            self.corrections.append(Correction(CURRENCY.name, "/properties/currency"))
        try:
            currency_exponent(currency)
        except InvalidMoney:
            raise Refused("invalid_field", "is no active ISO 4217 currency", "/properties/currency") from None
        return currency

    def _products(self) -> list[Mapping[str, Any]]:
        products = self.fields.get("products")
        if products is None:
            return []
        if not isinstance(products, list) or len(products) > LINES_MAX:
            raise Refused("invalid_field", f"is not a list of at most {LINES_MAX} products", "/properties/products")
        for place, product in enumerate(products):
            if not isinstance(product, Mapping) or product_id_of(product) is None:
                raise Refused(
                    "missing_field", "a product has a product_id or sku", f"/properties/products/{place}/product_id"
                )
        return products

    def _priced(self) -> list[tuple[str, Decimal, int]]:
        """Return each product's id, quantity and unit price."""
        return [
            (
                product_id_of(product) or "",
                Decimal(quantity_text(product)),
                self._minor(product.get("price"), f"/properties/products/{place}/price") or 0,
            )
            for place, product in enumerate(self.products)
        ]

    def _total_minor(self) -> int | None:
        for name in ("total", "revenue", "value"):
            total_minor = self._money(name)
            if total_minor is not None:
                return total_minor
        if self.products:
            goods_minor = sum(int(quantity * unit_minor) for _, quantity, unit_minor in self._priced())
            more_minor = (self._money("shipping") or 0) + (self._money("tax") or 0)
            return max(goods_minor + more_minor - (self._money("discount") or 0), 0)
        if self.is_refund or self.is_cancelled:
            return None
        raise Refused("missing_field", "an order says what it came to", "/properties/total")

    def _money(self, name: str) -> int | None:
        return self._minor(self.fields.get(name), f"/properties/{name}")

    def _minor(self, value: object, field: str) -> int | None:
        """Read an amount in major units. Clients send numbers and text; a number's text is what was written."""
        if value is None or value == "":
            return None
        text = "" if isinstance(value, bool) or not isinstance(value, str | int | float) else str(value)
        try:
            minor = minor_from_major(text, self.currency)
        except InvalidMoney:
            raise Refused("invalid_field", "is no amount of money in major units", field) from None
        if minor < 0:
            raise Refused("invalid_field", "is negative; amounts are positive, the event's name says which", field)
        return minor
