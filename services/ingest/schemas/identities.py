"""Identifiers, subjects, relatives and contact data."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.ingest.schemas.receipts import IdentifierIn


class ResolveIn(IdentifierIn):
    """One identifier, as somebody typed it."""


class ResolveOut(BaseModel):
    """Whose identifier it is. An identifier that was never seen has a subject too: the one it will have."""

    subject_id: UUID
    customer_id: UUID
    is_known: bool = Field(description="whether any event has carried it")


class RevealIn(BaseModel):
    """Whose contact data, and what for."""

    customer_ids: Annotated[list[UUID], Field(min_length=1, max_length=500)]
    purpose: Annotated[
        str,
        Field(min_length=3, max_length=200, pattern=r"\S", description="kept with your name", examples=["call back"]),
    ]


class ContactOut(BaseModel):
    """One opened field."""

    model_config = ConfigDict(from_attributes=True)

    subject_id: UUID
    namespace: str = Field(description="of the subject's identifier")
    field: str = Field(description="phone, email, …, or the contact field's own name")
    value: str


class RevealedOut(BaseModel):
    """One customer's contact data; empty where nothing is kept, or it was forgotten."""

    customer_id: UUID
    contacts: list[ContactOut]


class RevealOut(BaseModel):
    customers: list[RevealedOut]


class RelativeOut(BaseModel):
    """A customer who belongs together with another, and stays one of their own."""

    model_config = ConfigDict(from_attributes=True)

    customer_id: UUID = Field(description="the other one, as of now")
    kind: str = Field(description="what the other one is to this one; household goes both ways")
    since: datetime


class RelativesOut(BaseModel):
    customer_id: UUID
    relations: list[RelativeOut]
