"""Exports: whose data, what for, and the document."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.ingest.schemas.receipts import IdentifierIn


class ExportIn(BaseModel):
    """Whose data, by one of customer_id and identifier; and what for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"identifier": {"namespace": "phone", "value": "13912345678"}, "purpose": "asked for, form 7"}
            ]
        },
    )

    customer_id: UUID | None = Field(default=None, description="a customer, or one of its subjects")
    identifier: IdentifierIn | None = None
    purpose: Annotated[
        str,
        Field(min_length=3, max_length=200, pattern=r"^[^\x00]*\S[^\x00]*$", description="kept with your name"),
    ]

    @model_validator(mode="after")
    def _names_one_person(self) -> Self:
        if (self.customer_id is None) == (self.identifier is None):
            raise ValueError("give exactly one of customer_id and identifier")
        return self


class ExportOut(BaseModel):
    """An export; its document is kept for seven days, sealed, and goes with the customer."""

    export_id: UUID
    customer_id: UUID
    state: Literal["pending", "made"]
    requested_at: datetime
    made_at: datetime | None
    expires_at: datetime
    document: dict[str, Any] | None = Field(
        default=None, description="services → tables → rows; of ingest also contacts and inputs as they came"
    )
