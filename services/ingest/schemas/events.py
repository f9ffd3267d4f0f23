"""Where events are."""

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
