"""What is known of identities, and decisions about them."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.ingest.schemas.receipts import IdentifierIn, OriginalIn

Reason = Annotated[
    str,
    Field(min_length=3, max_length=500, pattern=r"\S", description="kept with your name", examples=["his sister"]),
]
SubjectIds = Annotated[tuple[UUID, ...], Field(min_length=1, max_length=50)]
RelationKind = Literal["household", "spouse", "parent", "child", "carer", "cared_for", "employer", "employee"]


class LinkIn(BaseModel):
    """Subjects that are one person's, because somebody who knows says so."""

    subject_ids: Annotated[tuple[UUID, ...], Field(min_length=2, max_length=20)]
    reason: Reason


class UnmergeIn(BaseModel):
    """What to split off: these subjects, or whatever one event linked wrongly."""

    subject_ids: SubjectIds | None = None
    event_id: Annotated[UUID | None, Field(description="the event whose link was wrong, as `why` names it")] = None
    reason: Reason

    @model_validator(mode="after")
    def _names_one(self) -> "UnmergeIn":
        if (self.subject_ids is None) == (self.event_id is None):
            raise ValueError("send either subject_ids or event_id")
        return self


class BecauseIn(BaseModel):
    """Why."""

    reason: Reason


class ProofIn(BaseModel):
    """What only somebody with the receipt in hand knows."""

    total_minor: Annotated[int, Field(ge=0, le=10**15, strict=True, description="what was paid, minor units")]
    business_date: date


class ClaimIn(BaseModel):
    """A receipt without a customer, and whose it is."""

    receipt: Annotated[OriginalIn | None, Field(description="the till's key, as printed on the receipt")] = None
    message_id: Annotated[UUID | None, Field(description="the receipt's message_id, as in its QR code")] = None
    proof: ProofIn
    identifier: IdentifierIn

    @model_validator(mode="after")
    def _names_one(self) -> "ClaimIn":
        if (self.receipt is None) == (self.message_id is None):
            raise ValueError("send either receipt or message_id")
        return self


class RelationIn(BaseModel):
    """How two customers, who stay two, belong together."""

    customer_id: Annotated[UUID, Field(description="the other one")]
    kind: RelationKind
    reason: Reason | None = None


class RelationOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    customer_id: UUID = Field(description="the other one, as of now")
    kind: str = Field(description="what the other one is to this one; household goes both ways")
    actor: str
    reason: str | None
    since: datetime


class RelationsOut(BaseModel):
    customer_id: UUID
    relations: list[RelationOut]


class DecisionOut(BaseModel):
    """A decision; `outcome` is null until it is numbered, which takes well under a second."""

    model_config = ConfigDict(from_attributes=True)

    decision_id: UUID = Field(validation_alias="event_id")
    decision: str
    subject_ids: list[UUID]
    about_event_id: UUID | None
    reason: str | None
    actor: str
    decided_at: datetime
    outcome: str | None = Field(description="done, or why nothing was done")
    moved: int = Field(description="subjects that changed their customer")


class SubjectOut(BaseModel):
    """One identifier, masked."""

    model_config = ConfigDict(from_attributes=True)

    subject_id: UUID
    namespace: str
    masked: str
    generation: int = Field(description="rises when the identifier is issued to somebody else")
    first_seen_at: datetime
    last_seen_at: datetime
    quarantine: str = Field(description="free, held (links nobody), or released from it by a person")


class IdentityOut(BaseModel):
    """A customer as a set of identifiers."""

    customer_id: UUID
    subjects: list[SubjectOut]


class LinkOut(BaseModel):
    """One link: who belongs together, who says so, and whether it holds."""

    left_id: UUID
    right_id: UUID
    state: Literal["made", "refused", "held", "cut"]
    reason: str | None = Field(description="why it does not hold")
    cause: str = Field(description="seen_together, alias, signed, decided, claimed, refers_to")
    event_id: UUID
    said_by: str | None = Field(description="the source of that event; null for a decision")
    rule_version: int
    occurred_at: datetime
    made_at: datetime
    changed_by: UUID | None = Field(description="the event or decision that its present state comes from")
    by_names: bool = Field(description="whether it holds only since name or birthday, told of both, agree")


class WhyOut(IdentityOut):
    """Everything that made this customer what they are."""

    links: list[LinkOut]
    decisions: list[DecisionOut]
    kept_apart: list[tuple[UUID, UUID]]


class TokenSecretOut(BaseModel):
    """The secret of one public source, for the shop's own server; never to be put into a page."""

    source_id: str
    secret: str


class QuarantinedOut(BaseModel):
    """An identifier that waits for a reviewer."""

    model_config = ConfigDict(from_attributes=True)

    subject_id: UUID
    namespace: str
    masked: str
    reason: str = Field(description="shared: seen with too many others; otherwise what a person or rule said")
    since: datetime
    first_seen_at: datetime
    links: int
