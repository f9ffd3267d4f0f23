"""Where events are, and what was not accepted."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field


class EventOut(BaseModel):
    """Where one event is."""

    message_id: str
    event_id: UUID | None = Field(description="null where nothing was accepted under this message_id")
    state: Literal["stored", "numbered", "published", "refused", "conflict"]
    type: str | None = None
    topic: str | None = None
    partition: int | None = None
    seq: int | None = None
    subject_id: UUID | None = None
    customer_id: UUID | None = None
    received_at: datetime
    reason: str | None = Field(default=None, description="why it was refused")
    conflicts: int = Field(default=0, description="inputs that came later with its key and other content")


class RefusalOut(BaseModel):
    """One input that was not accepted."""

    refusal_id: UUID
    outcome: Literal["refused", "conflict"]
    kind: str = Field(description="which route it came by")
    source_id: str
    code: str
    message: str
    field: str | None
    event_id: UUID | None = Field(description="of a conflict: what was accepted under its key before")
    received_at: datetime = Field(description="when it first came")
    times: int = Field(description="how often it came")
