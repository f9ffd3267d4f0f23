"""Who got how much off."""

from pydantic import AwareDatetime, BaseModel, Field


class DiscountsOut(BaseModel):
    """What a group of customers got off."""

    by: str = Field(
        description="buyers: thirds by purchases in the period; segment: those that customers are in now, and "
        "somebody in two counts in both; store: where it was redeemed"
    )
    group: str = Field(description="light, middle, heavy, none; the segment, or none; the store")
    currency: str | None
    customers: int
    coupons: int | None = Field(description="issued in the period; null for stores")
    redemptions: int
    discount_minor: int
    discount_per_customer_minor: int


class OffersReportOut(BaseModel):
    since: AwareDatetime
    until: AwareDatetime
    groups: list[DiscountsOut]
