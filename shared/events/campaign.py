"""What campaigns decided, sent, issued and posted."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import (
    Code,
    Currency,
    EventData,
    Identifier,
    MinorUnits,
    Name,
    Ordinal,
    Part,
    UtcDatetime,
)

Points = Annotated[int, Field(strict=True, ge=-(10**12), le=10**12)]
MessageChannel = Literal["email", "sms", "push", "wechat", "file", "post"]


class _ForCustomer(Part):
    customer_id: UUID


class MessageDecidedV1(_ForCustomer, EventData):
    """Whether a customer gets a campaign's message, and why not."""

    message_id: UUID
    campaign_id: Identifier
    decision: Literal["send", "hold_out", "suppress"]
    reason: Code | None = Field(default=None, description="Why suppressed: no_consent, frequency_cap, …")
    channel: MessageChannel | None = None
    arm: Code | None = Field(default=None, description="The variant drawn.")


class MessageSentV1(_ForCustomer, EventData):
    """A message left the house, or could not."""

    message_id: UUID
    campaign_id: Identifier
    channel: MessageChannel
    state: Literal["sent", "failed", "bounced"] = "sent"
    reason: Code | None = None


class CouponOffer(Part):
    """What a coupon takes off: a percentage or an amount, of the products it is for, never more than they cost."""

    percent: Annotated[int, Field(strict=True, ge=1, le=100)] | None = None
    amount_minor: MinorUnits | None = Field(default=None, description="Minor units, positive.")
    currency: Currency
    min_basket_minor: MinorUnits = Field(default=0, description="What the basket must come to, minor units.")
    categories: tuple[Name, ...] = Field(
        default=(), max_length=1000, description="Empty, as product_ids: any product."
    )
    product_ids: tuple[Identifier, ...] = Field(default=(), max_length=1000)
    uses_max: Ordinal = Field(default=1, description="How often it works.")


class CouponIssuedV1(_ForCustomer, EventData):
    """A coupon was made for one customer; its code stays in campaign."""

    coupon_id: UUID
    campaign_id: Identifier
    starts_at: UtcDatetime | None = None
    expires_at: UtcDatetime | None = Field(default=None, description="The first moment it no longer works.")
    offer: CouponOffer | None = Field(default=None, description="What it takes off; null where it was not said.")


class CouponRedeemedV1(_ForCustomer, EventData):
    """A coupon was redeemed at a till, or a redemption rolled back. The highest `n` is the state."""

    redemption_id: UUID
    coupon_id: UUID
    campaign_id: Identifier
    n: Ordinal = Field(description="1: redeemed; the next: rolled back.")
    state: Literal["redeemed", "rolled_back"]
    store_id: Identifier | None = None
    receipt_id: UUID | None = Field(default=None, description="The receipt, where the till named it.")
    discount_minor: MinorUnits = Field(description="What it took off, minor units, positive.")
    currency: Currency


class PointsPostedV1(_ForCustomer, EventData):
    """One posting in a points ledger."""

    posting_id: UUID
    points: Points = Field(description="Positive: earned; negative: spent, expired or taken back.")
    kind: Literal["earned", "spent", "expired", "taken_back", "transferred", "adjusted"]
    receipt_id: UUID | None = Field(default=None, description="The receipt that earned or lost them.")
    expires_at: UtcDatetime | None = None


class TierChangedV1(_ForCustomer, EventData):
    """A member rose or fell to another tier."""

    n: Ordinal = Field(description="Number of this change; the highest is the state.")
    from_tier: Code | None = None
    to_tier: Code
    at: UtcDatetime = Field(description="The moment as of which it holds, UTC.")


class CaseChangedV1(_ForCustomer, EventData):
    """A case of customer care was opened, moved on or closed."""

    case_id: UUID
    n: Ordinal = Field(description="Number of this change; the highest is the state.")
    kind: Code = Field(description="churn_warning, complaint, inquiry, …")
    state: Literal["open", "in_progress", "waiting", "resolved", "closed"]
    title: Name | None = None
    assignee: Identifier | None = Field(default=None, description="Who looks after it.")
