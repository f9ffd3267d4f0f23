"""Receipts as the till printed them, and their voids."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from shared.events.base import (
    Code,
    Count,
    Currency,
    EventData,
    Flag,
    Identifier,
    MinorUnits,
    Name,
    Ordinal,
    Part,
    Quantity,
    UtcDatetime,
)

ReceiptKind = Literal["sale", "return", "exchange"]
ReceiptStatus = Literal["completed", "suspended", "cancelled"]
UtcOffsetMinutes = Annotated[int, Field(strict=True, ge=-1080, le=1080)]
SkewMinutes = Annotated[int, Field(strict=True, ge=-100_000, le=100_000)]


def _is_unset(value: object) -> bool:
    """Say whether a later field has nothing to say: then it is not written, and older bytes stay as they were."""
    return value in {None, False, "completed"}


class Discount(Part):
    """A price reduction that is already in the amounts."""

    kind: Code = Field(description="coupon, promotion, loyalty, employee, manual, …")
    code: Identifier | None = Field(default=None, description="The coupon's or promotion's code, if it has one.")
    amount_minor: MinorUnits = Field(description="What it took off, minor units, positive.")


class ReceiptLine(Part):
    """One line: a product bought or, in a return or a marked line of an exchange, given back."""

    line_number: Ordinal = Field(description="The line's number on the receipt, from 1.")
    product_id: Identifier
    quantity: Quantity = Field(description="Pieces, or kilograms or litres of goods sold by measure; decimal text.")
    unit: Code | None = Field(
        default=None,
        exclude_if=_is_unset,
        description="Of goods sold by measure: kg, g, lb, oz, l, ml, m, …; null: pieces, or the product's own unit.",
    )
    unit_price_minor: MinorUnits = Field(description="Price of one unit before discounts, minor units.")
    amount_minor: MinorUnits = Field(
        description="Paid (or given back) for the whole line after its discounts, minor units, positive."
    )
    returned: Flag = Field(default=False, description="In an exchange: this line is given back.")
    discounts: tuple[Discount, ...] = Field(default=(), max_length=50)


class Tender(Part):
    """One means of payment."""

    kind: Code = Field(description="cash, card, wechat, alipay, gift_card, points, …")
    amount_minor: MinorUnits = Field(description="Paid with it, minor units.")
    reference: Identifier | None = Field(
        default=None, description="The payment's own reference; never a card number."
    )


class ReturnedLine(Part):
    """How much of a line of the original receipt comes back."""

    line_number: Ordinal = Field(description="The line's number on the original receipt.")
    quantity: Quantity = Field(description="How much of it comes back; decimal text.")


class ReturnsOf(Part):
    """The original receipt of a return, by its till's key."""

    receipt_id: UUID = Field(description="The original's receipt_id; that receipt need not have arrived.")
    store_id: Identifier
    terminal_id: Identifier | None = None
    business_date: date
    sequence_number: Count | None = None
    lines: tuple[ReturnedLine, ...] = Field(default=(), max_length=2000)


class _Receipt(Part):
    receipt_id: UUID = Field(description="Made from the till's key alone, so that returns and voids can name it.")
    store_id: Identifier
    terminal_id: Identifier | None = Field(default=None, description="The till; null for an order of a web shop.")
    business_date: date = Field(description="The store's business day, which may end after midnight.")
    sequence_number: Count | None = Field(default=None, description="The till's own number of the receipt.")
    sequence_epoch: Count = Field(default=0, description="Rises when a till starts numbering again.")
    order_id: Identifier | None = Field(default=None, description="The web shop's order, where no till took part.")
    currency: Currency
    training: Flag = Field(default=False, description="Rung up in training mode: never counts.")
    status: ReceiptStatus = Field(
        default="completed",
        exclude_if=_is_unset,
        description="suspended: put aside unfinished; cancelled: given up before it was paid; neither ever counts. "
        "What completes a suspended receipt is a receipt of its own.",
    )
    device_at: UtcDatetime | None = Field(
        default=None,
        exclude_if=_is_unset,
        description="When it happened by the till's own clock, UTC, where that clock is known to be wrong.",
    )
    clock_skew_minutes: SkewMinutes = Field(
        default=0,
        exclude_if=_is_unset,
        description="How far the till's clock was behind; occurred_at is device_at plus this.",
    )

    @property
    def is_finished(self) -> bool:
        return self.status == "completed"

    @property
    def counts(self) -> bool:
        """Whether it is in any figure at all: finished, and not rung up in training mode."""
        return self.is_finished and not self.training

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.order_id is None and (self.terminal_id is None or self.sequence_number is None):
            raise ValueError("needs terminal_id and sequence_number, or order_id")
        return self


class ReceiptRecordedV1(_Receipt, EventData):
    """A finished sale, return, or exchange of both. Amounts are positive; `kind` gives the sign."""

    kind: ReceiptKind
    lines: tuple[ReceiptLine, ...] = Field(max_length=2000)
    discounts: tuple[Discount, ...] = Field(
        default=(),
        max_length=50,
        description="Discounts on the whole receipt, spread over the lines' amounts.",
    )
    coupons: tuple[Identifier, ...] = Field(default=(), max_length=50, description="Coupon codes presented.")
    tenders: tuple[Tender, ...] = Field(default=(), max_length=50)
    returns_of: ReturnsOf | None = Field(default=None, description="The original, where a return names it.")
    other_subject_ids: tuple[UUID, ...] = Field(
        default=(), max_length=20, description="Subjects of the receipt's weaker identifiers."
    )
    utc_offset_minutes: UtcOffsetMinutes = Field(
        default=0, description="The till's offset from UTC when it happened, for the local hour."
    )
    channel: Literal["store", "online"] = "store"
    staff_id: Identifier | None = Field(default=None, description="Who served, as the till knows them.")
    employee: Flag = Field(
        default=False,
        exclude_if=_is_unset,
        description="An employee's own purchase: a guest's receipt, in the store's figures and nobody's own.",
    )

    @property
    def sold_minor(self) -> int:
        """What the customer bought, minor units: all lines of a sale, the kept ones of an exchange."""
        if self.kind == "return":
            return 0
        return sum(line.amount_minor for line in self.lines if not line.returned)

    @property
    def returned_minor(self) -> int:
        """What the customer gave back, minor units, positive."""
        everything = self.kind == "return"
        return sum(line.amount_minor for line in self.lines if everything or line.returned)


class ReceiptVoidedV1(_Receipt, EventData):
    """A receipt that takes back another one as if it had never been; it has a till's key of its own."""

    voids_receipt_id: UUID = Field(description="The receipt taken back; it need not have arrived.")
    replaced_by_receipt_id: UUID | None = Field(
        default=None,
        exclude_if=_is_unset,
        description="The receipt recorded in its place, of an order that was edited: returns that name the old one "
        "take back from that one.",
    )
    amount_minor: MinorUnits = Field(description="What the voided receipt came to, minor units, positive.")
    reason: Name | None = None
