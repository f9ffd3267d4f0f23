"""Erasures: whom to forget, how far it is, and the certificate."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.ingest.schemas.receipts import IdentifierIn

ERASURE_EXAMPLE: dict[str, Any] = {
    "identifier": {"namespace": "phone", "value": "13912345678"},
    "reason": "asked for at the service desk, form 2026-118",
    "requested_by": "customer",
}


class GuardianIn(BaseModel):
    """Who asks for a minor."""

    model_config = ConfigDict(extra="forbid")

    relation: Literal["parent", "legal_guardian"]
    proof: Annotated[
        str,
        Field(min_length=3, max_length=200, pattern=r"^[^\x00]*$", description="which document was seen; no name"),
    ]


class ErasureIn(BaseModel):
    """Whom to forget, by one of customer_id and identifier; and who wants it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ERASURE_EXAMPLE]})

    customer_id: UUID | None = Field(default=None, description="a customer, or one of its subjects")
    identifier: IdentifierIn | None = None
    reason: Annotated[
        str, Field(min_length=3, max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$", description="kept; no contact data")
    ]
    requested_by: Literal["customer", "guardian", "authority", "retailer"]
    guardian: GuardianIn | None = Field(default=None, description="exactly where requested_by is guardian")

    @model_validator(mode="after")
    def _names_one_person(self) -> Self:
        if (self.customer_id is None) == (self.identifier is None):
            raise ValueError("give exactly one of customer_id and identifier")
        if (self.guardian is None) == (self.requested_by == "guardian"):
            raise ValueError("give guardian exactly where requested_by is guardian")
        return self


class ConfirmationOut(BaseModel):
    """A service's word that it holds nothing of the person any more."""

    model_config = ConfigDict(from_attributes=True)

    service: str
    applied_at: datetime = Field(description="when its rows were gone")
    confirmed_at: datetime


class ErasureOut(BaseModel):
    """How far an erasure is."""

    erasure_id: UUID
    customer_id: UUID
    state: Literal["requested", "executed", "unreadable", "rewritten", "confirmed"]
    reason: str
    requested_by: str
    guardian: str | None
    requested_at: datetime
    executed_at: datetime | None = Field(description="when it got its place among all events")
    unreadable_at: datetime | None = Field(description="when keys and sealed rows were gone")
    rewritten_at: datetime | None = Field(description="when the archive named nobody any more")
    confirmed_at: datetime | None = Field(description="when the last service had confirmed")
    subjects: int = Field(description="identifiers and devices that were the person's")
    counts: dict[str, int] = Field(description="keys, rows and events of ingest that went or were made nobody's")
    services: list[ConfirmationOut]
    waiting_for: list[str] = Field(description="services that have not confirmed yet")


class SignatureOut(BaseModel):
    algorithm: Literal["HMAC-SHA-256"]
    value: str = Field(description="hex, over the certificate as JSON with sorted fields and no spaces")


class CertificateOut(BaseModel):
    """What was done, signed under this deployment's key."""

    certificate: dict[str, Any]
    signature: SignatureOut


class CertificateIn(CertificateOut):
    model_config = ConfigDict(extra="forbid")


class GenuineOut(BaseModel):
    genuine: bool = Field(description="whether this deployment signed exactly this")
