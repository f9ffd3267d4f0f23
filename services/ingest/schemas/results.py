"""What became of each item of a request."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["accepted", "repeat", "conflict", "refused", "dropped"]


class CorrectionOut(BaseModel):
    """One field that was not stored as it was sent; the original stays sealed as it came."""

    model_config = ConfigDict(from_attributes=True)

    rule: str = Field(description="its name in GET /v1/quality", examples=["phone_to_e164"])
    field: str = Field(description="JSON pointer into the item", examples=["/identifiers/0/value"])


class ResultOut(BaseModel):
    """One item's outcome."""

    model_config = ConfigDict(from_attributes=True)

    message_id: str | None = Field(description="ask GET /v1/events/{message_id} for it")
    status: Status = Field(
        description="accepted: stored for ever; repeat: it was stored before, nothing changed; conflict: the same "
        "key came with other content before, recorded for you to decide; refused: recorded, and `code` says why; "
        "dropped: counted and kept nowhere, as its source asks for"
    )
    code: str | None = Field(default=None, description="stable word for programs")
    message: str | None = Field(default=None, description="sentence for people: what is wrong, and the cure")
    field: str | None = Field(default=None, description="JSON pointer into the item, such as /lines/0/quantity")
    corrections: list[CorrectionOut] = Field(default=[], description="left out where nothing was corrected")


class ResultsOut(BaseModel):
    """One result per item, in the order of the items."""

    results: list[ResultOut]


class ClientResultsOut(ResultsOut):
    """The answer that analytics clients expect."""

    success: Literal[True] = True
