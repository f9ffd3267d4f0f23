"""Bodies of qualifications, validations, redemptions and coupons."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.campaign.domain import coupons as domain
from services.campaign.handlers.customers import Who
from services.campaign.handlers.redemptions import Basket, Judged, Outcome
from services.campaign.store.redemptions import Redemption

Id = Annotated[str, Field(min_length=1, max_length=128)]


class IdentifierBody(BaseModel):
    namespace: Id
    value: Annotated[str, Field(min_length=1, max_length=255)]


class RedeemableBody(BaseModel):
    kind: Literal["coupon"] = "coupon"
    id: Annotated[
        str, Field(min_length=1, max_length=64, description="the code; case, spaces and dashes are ignored")
    ]


class OrderLineBody(BaseModel):
    """A line of the basket; fields that campaign has no use for are ignored."""

    product_id: Id
    amount_minor: int = Field(strict=True, ge=0, le=10**12, description="the whole line before coupons, minor units")


class ReceiptKeyBody(BaseModel):
    """The till's key of the receipt to come."""

    store_id: Id | None = None
    terminal_id: Id
    business_date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    sequence_number: int = Field(ge=0, le=2_147_483_647)
    sequence_epoch: int = Field(default=0, ge=0, le=2_147_483_647)


class OrderBody(BaseModel):
    store_id: Id
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")
    lines: list[OrderLineBody] = Field(min_length=1, max_length=2000)
    receipt_key: ReceiptKeyBody | None = Field(default=None, description="which receipt it will be, if known")

    def to_domain(self) -> domain.Order:
        lines = tuple(domain.OrderLine(line.product_id, line.amount_minor) for line in self.lines)
        return domain.Order(self.store_id, self.currency, lines)


class _NamesCustomer(BaseModel):
    customer_id: UUID | None = None
    identifier: IdentifierBody | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.customer_id is not None and self.identifier is not None:
            raise ValueError("give customer_id or identifier, not both")
        return self

    def who(self) -> Who:
        identifier = (self.identifier.namespace, self.identifier.value) if self.identifier else None
        return Who(self.customer_id, identifier)


class RedemptionBody(_NamesCustomer):
    """Coupons to redeem on one order; all of them or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "redeemables": [{"kind": "coupon", "id": "7K3M-Q9TD-0WXA"}],
                    "identifier": {"namespace": "loyalty_card", "value": "6001234567"},
                    "order": {
                        "receipt_key": {"terminal_id": "T3", "business_date": "2026-11-22", "sequence_number": 1045},
                        "store_id": "S01",
                        "currency": "CNY",
                        "lines": [{"product_id": "P100", "quantity": "2", "amount_minor": 900}],
                    },
                }
            ]
        }
    )

    redeemables: list[RedeemableBody] = Field(min_length=1, max_length=30)
    order: OrderBody

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        codes = [domain.code_as_typed(redeemable.id) for redeemable in self.redeemables]
        if len(set(codes)) < len(codes):
            raise ValueError("a coupon is named twice")
        return self

    def to_basket(self) -> Basket:
        key = self.order.receipt_key
        return Basket(
            codes=[redeemable.id for redeemable in self.redeemables],
            who=self.who(),
            order=self.order.to_domain(),
            receipt_key=key.model_dump(mode="json") if key else None,
        )


class QualificationBody(_NamesCustomer):
    order: OrderBody

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.customer_id is None and self.identifier is None:
            raise ValueError("give customer_id or identifier")
        return self


class RedeemableView(BaseModel):
    id: str
    kind: Literal["coupon"] = "coupon"
    status: str = Field(description="applied; skipped: nothing was left to take off; inapplicable: see code")
    discount_minor: int
    code: str | None = Field(default=None, description="why it does not apply")
    message: str | None = None

    @classmethod
    def of(cls, judged: Judged) -> Self:
        verdict = judged.verdict
        return cls(
            id=judged.code,
            status=judged.status,
            discount_minor=verdict.discount_minor,
            code=verdict.reason.value if verdict.reason else None,
            message=verdict.message or None,
        )


class OrderView(BaseModel):
    total_minor: int
    discount_minor: int
    payable_minor: int
    currency: str

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        return cls(
            total_minor=outcome.order.total_minor,
            discount_minor=outcome.discount_minor,
            payable_minor=outcome.payable_minor,
            currency=outcome.order.currency,
        )


class RedemptionView(BaseModel):
    redemption_id: UUID
    redeemables: list[RedeemableView]
    order: OrderView

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        assert outcome.redemption_id is not None
        return cls(
            redemption_id=outcome.redemption_id,
            redeemables=[RedeemableView.of(judged) for judged in outcome.judged],
            order=OrderView.of(outcome),
        )


class ValidationView(BaseModel):
    """What redeeming would do at this moment; nothing was taken."""

    valid: bool
    redeemables: list[RedeemableView]
    order: OrderView

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        return cls(
            valid=not outcome.refused,
            redeemables=[RedeemableView.of(judged) for judged in outcome.judged],
            order=OrderView.of(outcome),
        )


class QualificationView(BaseModel):
    """A customer's coupons on this order, each by itself, the best first."""

    redeemables: list[RedeemableView]


class RollbackBody(BaseModel):
    reason: str | None = Field(default=None, max_length=200)


class RollbackView(BaseModel):
    redemption_id: UUID
    status: Literal["rolled_back"] = "rolled_back"
    discount_minor: int = Field(description="what the redemption had taken off, minor units")
    currency: str

    @classmethod
    def of(cls, redemption: Redemption) -> Self:
        return cls(
            redemption_id=redemption.redemption_id,
            discount_minor=redemption.discount_minor,
            currency=redemption.currency,
        )


class CouponView(BaseModel):
    coupon_id: UUID
    campaign_id: UUID
    customer_id: UUID
    code: str
    state: Literal["active", "used", "expired", "not_yet_valid", "withdrawn"]
    uses: int
    percent: int | None
    amount_minor: int | None
    currency: str
    min_basket_minor: int
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    issued_at: AwareDatetime

    @classmethod
    def of(cls, coupon: domain.Coupon, issued_at: datetime, now: datetime) -> Self:
        offer = coupon.offer
        return cls(
            coupon_id=coupon.coupon_id,
            campaign_id=coupon.campaign_id,
            customer_id=coupon.customer_id,
            code=coupon.code,
            state=_state(coupon, now),
            uses=coupon.uses,
            percent=offer.percent,
            amount_minor=offer.amount_minor,
            currency=coupon.currency,
            min_basket_minor=offer.min_basket_minor,
            valid_from=offer.valid_from,
            valid_until=offer.valid_until,
            issued_at=issued_at,
        )


def _state(
    coupon: domain.Coupon, now: datetime
) -> Literal["active", "used", "expired", "not_yet_valid", "withdrawn"]:
    if coupon.is_withdrawn:
        return "withdrawn"
    if coupon.is_exhausted:
        return "used"
    if now >= coupon.offer.valid_until:
        return "expired"
    return "not_yet_valid" if now < coupon.offer.valid_from else "active"


class CouponList(BaseModel):
    items: list[CouponView]
