"""Bodies of /v1/members and /v1/points."""

from typing import Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from services.campaign.handlers.points import Membership
from services.campaign.store.points import Balance


class PointsView(BaseModel):
    """Points of all of a customer's subjects together."""

    active: int = Field(description="can be spent")
    pending: int = Field(default=0, description="not to be spent yet; purchases count at once, so always 0")
    spent: int
    expired: int
    debt: int = Field(description="spent before the purchase that earned them was returned")

    @classmethod
    def of(cls, balance: Balance) -> Self:
        return cls(active=balance.active, spent=balance.spent, expired=balance.expired, debt=balance.debt)


class LotView(BaseModel):
    lot_id: UUID
    points: int = Field(description="left of it")
    expires_at: AwareDatetime


class NextTierView(BaseModel):
    tier: str
    missing: int = Field(description="growth value that is missing")


class MemberView(BaseModel):
    """A member's points and tier."""

    customer_id: UUID
    points: PointsView
    lots: list[LotView]
    tier: str
    growth_value: int = Field(description="net points earned by purchases in the last 365 days")
    next_tier: NextTierView | None
    benefits: list[str]

    @classmethod
    def of(cls, member: Membership) -> Self:
        above = member.next_tier
        return cls(
            customer_id=member.customer_id,
            points=PointsView.of(member.balance),
            lots=[LotView(lot_id=lot.lot_id, points=lot.remaining, expires_at=lot.expires_at) for lot in member.lots],
            tier=member.tier.code,
            growth_value=member.balance.growth,
            next_tier=NextTierView(tier=above.code, missing=above.from_growth - member.balance.growth)
            if above
            else None,
            benefits=list(member.tier.benefits),
        )


class AdjustmentBody(BaseModel):
    """Points given (positive) or taken (negative) by hand."""

    customer_id: UUID
    points: int = Field(strict=True, ge=-(10**9), le=10**9, description="positive: given; negative: taken; not 0")
    kind: Literal["adjusted", "spent"] = Field(default="adjusted", description="spent: exchanged for a reward")
    reason: str = Field(min_length=1, max_length=200)


class AdjustmentView(BaseModel):
    adjustment_id: UUID
    customer_id: UUID
    points: int
    balance: PointsView
