"""What the profile API takes and answers. Amounts are integer minor units; times are RFC 3339, UTC."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.profile.domain.profile import Consent, Profile
from services.profile.domain.purchases import CategorySpend, Totals
from services.profile.domain.rfm import Rfm
from services.profile.domain.segments import Segment
from services.profile.domain.words import in_words

BATCH_MAX = 100
TAGS_MAX = 50

Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LookupIn(_In):
    namespace: Annotated[Text, Field(examples=["loyalty_card"])]
    value: Annotated[Text, Field(description="As the customer tells it; never logged.", examples=["6001234567"])]


class BatchIn(_In):
    customer_ids: list[UUID] = Field(min_length=1, max_length=BATCH_MAX)


class TagsIn(_In):
    tags: list[Tag] = Field(max_length=TAGS_MAX, description="All tags of the customer; others are taken away.")


class IdentifierOut(BaseModel):
    namespace: str = Field(examples=["phone"])
    masked: str = Field(examples=["139****5678"])


class FiguresOut(BaseModel):
    """Sums in one currency."""

    receipts: int = Field(description="sales that are neither voided nor training; an exchange counts")
    returns: int = Field(description="receipts on which something came back")
    items: int = Field(description="pieces sold; goods sold by measure count one a line")
    gross_minor: int = Field(description="what the sales came to, minor units")
    net_minor: int = Field(description="gross without returns, and without voids whose original is unknown")
    currency: str = Field(examples=["USD"])

    @classmethod
    def of(cls, totals: Totals) -> Self:
        figures = totals.figures
        return cls(
            receipts=figures.receipts,
            returns=figures.returns,
            items=figures.items,
            gross_minor=figures.gross_minor,
            net_minor=figures.net_minor,
            currency=totals.currency,
        )


class TotalsOut(FiguresOut):
    """A customer's figures in the main currency; other currencies stand apart and are never added up."""

    first_at: datetime | None = Field(description="the first sale, in any currency")
    last_at: datetime | None = Field(description="the latest sale, in any currency")
    other_currencies: list[FiguresOut]


class RfmOut(BaseModel):
    recency_days: int = Field(description="whole days since the latest sale")
    frequency: int = Field(description="sales, whole history")
    monetary_minor: int = Field(description="net amount in the main currency, minor units")
    cell: str | None = Field(
        description="recency, frequency, money: 1 to 5 each, 5 the best fifth; null until the first scoring",
        examples=["545"],
    )

    @classmethod
    def of(cls, rfm: Rfm | None) -> Self | None:
        if rfm is None:
            return None
        return cls(
            recency_days=rfm.recency_days,
            frequency=rfm.frequency,
            monetary_minor=rfm.monetary_minor,
            cell=rfm.cell,
        )


class CategoryOut(BaseModel):
    category: str
    amount_minor: int = Field(description="spent on it, net, minor units of the main currency")
    purchases: int = Field(description="receipts it was on, among the latest 300")
    share: float = Field(description="of all categorised spend, 0 to 1")

    @classmethod
    def of(cls, spend: CategorySpend) -> Self:
        return cls(
            category=spend.category,
            amount_minor=spend.amount_minor,
            purchases=spend.purchases,
            share=spend.share,
        )


class ConsentOut(BaseModel):
    channel: str
    purpose: str
    state: str = Field(description="granted or withdrawn; a withdrawal by any linked identifier holds")
    policy_version: str | None
    since: datetime

    @classmethod
    def of(cls, consent: Consent) -> Self:
        return cls(
            channel=consent.channel,
            purpose=consent.purpose,
            state=consent.state,
            policy_version=consent.policy_version,
            since=consent.since,
        )


class CustomerOut(BaseModel):
    """A customer, as of a moment."""

    customer_id: UUID = Field(description="who this is now: not the id asked for where that one was absorbed")
    identifiers: list[IdentifierOut]
    totals: TotalsOut
    rfm: RfmOut | None = Field(description="null for somebody who has not bought")
    lifecycle: str = Field(description="prospect, new, active, loyal, returned, slipping or lost")
    favourite_categories: list[CategoryOut]
    usual_store_id: str | None = Field(description="the store of most of the latest 100 visits")
    usual_hour: int | None = Field(description="local hour (0 to 23) of most of the latest 100 visits")
    usual_gap_days: float | None = Field(description="median of the latest 20 gaps between visit days")
    segments: list[str]
    tags: list[str]
    consents: list[ConsentOut]
    attributes: dict[str, Any]
    in_words: str = Field(description="the same in a few sentences")
    as_of: datetime

    @classmethod
    def of(cls, profile: Profile, language: str = "en") -> Self:
        standing = profile.standing
        totals = standing.totals
        return cls(
            customer_id=profile.customer_id,
            identifiers=[IdentifierOut(namespace=each.namespace, masked=each.masked) for each in profile.identifiers],
            totals=TotalsOut(
                **FiguresOut.of(totals.main).model_dump(),
                first_at=totals.first_at,
                last_at=totals.last_at,
                other_currencies=[FiguresOut.of(other) for other in totals.others],
            ),
            rfm=RfmOut.of(standing.rfm),
            lifecycle=standing.life.stage,
            favourite_categories=[CategoryOut.of(each) for each in profile.favourite_categories],
            usual_store_id=standing.habits.usual_store_id,
            usual_hour=standing.habits.usual_hour,
            usual_gap_days=standing.habits.usual_gap_days,
            segments=list(standing.segments),
            tags=list(profile.tags),
            consents=[ConsentOut.of(consent) for consent in profile.consents],
            attributes=dict(profile.attributes),
            in_words=in_words(profile, language),
            as_of=profile.as_of,
        )


class BatchOut(BaseModel):
    customers: list[CustomerOut] = Field(description="each once, in the order asked for")
    missing: list[UUID] = Field(description="ids of nobody")


class MomentOut(BaseModel):
    id: UUID
    occurred_at: datetime
    type: str = Field(description="receipt, receipt_voided, or the type of the event")
    kind: str | None = Field(description="of a receipt: sale, return or exchange")
    store_id: str | None
    detail: dict[str, Any]


class SegmentOut(BaseModel):
    id: str
    name: str
    description: str
    members: int

    @classmethod
    def of(cls, segment: Segment, members: int) -> Self:
        return cls(id=segment.id, name=segment.name, description=segment.description, members=members)


class SegmentsOut(BaseModel):
    segments: list[SegmentOut]


class MemberOut(BaseModel):
    customer_id: UUID
    since: datetime


class CustomerSegmentsOut(BaseModel):
    customer_id: UUID
    lifecycle: str
    segments: list[str]
    as_of: datetime


class CustomerConsentsOut(BaseModel):
    customer_id: UUID
    consents: list[ConsentOut]


class RelationOut(BaseModel):
    """Another customer who belongs together with this one: a household, a parent, a child."""

    model_config = ConfigDict(from_attributes=True)

    customer_id: UUID
    kind: str = Field(description="what the other one is to this one; household goes both ways")
    since: datetime


class CustomerRelationsOut(BaseModel):
    customer_id: UUID
    relations: list[RelationOut]


class CustomerTagsOut(BaseModel):
    customer_id: UUID
    tags: list[str]


class StoreOut(BaseModel):
    store_id: str
    name: str | None
    area: str | None
    city: str | None
    time_zone: str | None
    totals: list[FiguresOut] = Field(description="one for each currency, most sales first")


class RfmCellOut(BaseModel):
    cell: str
    customers: int


class RfmOverviewOut(BaseModel):
    currency: str
    as_of: datetime
    recency_days: list[int] = Field(description="upper ends of the first four fifths")
    frequency: list[int]
    monetary_minor: list[int]


class MetricsOut(BaseModel):
    """The chain at a glance."""

    as_of: datetime
    customers: int
    lifecycle: dict[str, int] = Field(description="customers in each stage, as last refreshed")
    segments: dict[str, int]
    totals: list[FiguresOut]
    rfm_bounds: list[RfmOverviewOut]
    rfm_cells: list[RfmCellOut]


def figures_out(row: Mapping[str, Any]) -> FiguresOut:
    """Return the figures of a row of sums."""
    return FiguresOut(
        receipts=row["receipts"],
        returns=row["returns"],
        items=row["items"],
        gross_minor=row["gross_minor"],
        net_minor=row["gross_minor"] - row["returned_minor"] - row["unknown_void_minor"],
        currency=row["currency"],
    )
