"""A receipt as a till sends it."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.events.base import Count, Currency, Flag, Identifier, MinorUnits, Name
from shared.events.receipts import Discount, ReceiptLine, ReceiptStatus, ReturnedLine, Tender

LINES_MAX = 2000


class IdentifierIn(BaseModel):
    """One identifier of a customer."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    namespace: Annotated[str, Field(max_length=64, examples=["loyalty_card"])]
    value: Annotated[str, Field(max_length=1000, examples=["6001234567"])]


class OriginalIn(BaseModel):
    """Another receipt, by its till's key."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    store_id: Identifier
    terminal_id: Identifier
    business_date: date
    sequence_number: Count
    sequence_epoch: Count | None = None
    lines: Annotated[tuple[ReturnedLine, ...], Field(max_length=LINES_MAX)] = ()


class ReceiptIn(BaseModel):
    """One receipt. Amounts are positive integers in minor units; `kind` gives the sign."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    store_id: Identifier
    terminal_id: Identifier
    business_date: Annotated[date, Field(description="the store's business day")]
    sequence_number: Annotated[Count, Field(description="the till's own number of the receipt")]
    sequence_epoch: Annotated[
        Count | None, Field(description="rises when the till starts numbering again; found out when left out")
    ] = None
    kind: Literal["sale", "return", "exchange", "void"]
    occurred_at: Annotated[AwareDatetime, Field(description="RFC 3339, with the store's offset")]
    sent_at: Annotated[
        AwareDatetime | None, Field(description="the till's time when it sends; tells how wrong its clock is")
    ] = None
    currency: Annotated[Currency | None, Field(description="left out: the chain's")] = None
    identifiers: Annotated[tuple[IdentifierIn, ...], Field(max_length=20)] = ()
    lines: Annotated[tuple[ReceiptLine, ...], Field(max_length=LINES_MAX)] = ()
    discounts: Annotated[
        tuple[Discount, ...],
        Field(max_length=50, description="on the whole receipt: not in the lines' amounts; spread over them here"),
    ] = ()
    coupons: Annotated[tuple[Identifier, ...], Field(max_length=50, description="codes presented")] = ()
    tenders: Annotated[tuple[Tender, ...], Field(max_length=50)] = ()
    training: Annotated[Flag, Field(description="rung up in training mode: kept, never counted")] = False
    status: Annotated[
        ReceiptStatus,
        Field(description="suspended: put aside; cancelled: given up unpaid; both kept, never counted"),
    ] = "completed"
    employee: Annotated[
        Flag, Field(description="an employee's own purchase: counted for the store, in no customer's figures")
    ] = False
    returns_of: Annotated[
        OriginalIn | None, Field(description="the original of a return or exchange, the voided one of a void")
    ] = None
    amount_minor: Annotated[MinorUnits | None, Field(description="of a void: what the voided receipt came to")] = None
    reason: Annotated[Name | None, Field(description="of a void: why")] = None
    channel: Literal["store", "online"] = "store"
    staff_id: Identifier | None = None


class ReceiptsIn(BaseModel):
    """Up to 500 receipts, each judged alone."""

    receipts: Annotated[list[ReceiptIn], Field(max_length=500)]
    sent_at: Annotated[AwareDatetime | None, Field(description="for all of them that say none")] = None


RECEIPT_EXAMPLE = {
    "store_id": "S01",
    "terminal_id": "T3",
    "business_date": "2026-11-22",
    "sequence_number": 1045,
    "kind": "sale",
    "occurred_at": "2026-11-22T09:12:44+08:00",
    "currency": "CNY",
    "identifiers": [
        {"namespace": "loyalty_card", "value": "6001234567"},
        {"namespace": "phone", "value": "13912345678"},
    ],
    "lines": [
        {
            "line_number": 1,
            "product_id": "P100",
            "quantity": "2",
            "unit_price_minor": 500,
            "amount_minor": 900,
            "discounts": [{"kind": "coupon", "code": "SPRING", "amount_minor": 100}],
        }
    ],
    "tenders": [{"kind": "cash", "amount_minor": 900}],
    "training": False,
    "returns_of": None,
}
