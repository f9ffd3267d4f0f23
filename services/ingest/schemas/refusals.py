"""What was not accepted, and what is done about it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from services.ingest.schemas.results import ResultOut


def _within_reason(moment: datetime) -> datetime:
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise ValueError(f"is no time between {_YEARS[0]} and {_YEARS[1]}")
    return moment


_YEARS = (1990, 2200)
Moment = Annotated[AwareDatetime, AfterValidator(_within_reason)]
Code = Annotated[str, Field(max_length=64, pattern=r"^[a-z_]+$")]
Reason = Annotated[str, Field(min_length=3, max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$")]
REPLAYED_MAX = 500


class RefusalOut(BaseModel):
    """One input that was not accepted."""

    model_config = ConfigDict(from_attributes=True)

    refusal_id: UUID
    outcome: Literal["refused", "conflict"]
    kind: str = Field(description="which route it came by")
    source_id: str
    code: str
    message: str
    field: str | None
    event_id: UUID | None = Field(description="of a conflict: what was accepted under its key before")
    received_at: datetime = Field(description="when it first came")
    times: int = Field(description="how often it came, replays included")
    resolution: Literal["corrected", "replayed", "new_epoch", "discarded"] | None = Field(
        description="what was done about it; null: nothing yet"
    )
    resolved_at: datetime | None
    resolved_by: str | None = Field(description="in whose name")
    resolution_note: str | None
    resolved_event_id: UUID | None = Field(description="what was accepted in its place")


class PurposeIn(BaseModel):
    """What it is opened for."""

    purpose: Annotated[Reason, Field(max_length=200, description="kept with your name", examples=["till support"])]


class OpenedOut(RefusalOut):
    """A refusal with what was sent."""

    original: Any = Field(description="as it came; text where it was no JSON; null where it was forgotten since")
    is_forgotten: bool


class CorrectionIn(BaseModel):
    """The item as it should have been, for the same route."""

    item: dict[str, Any] = Field(examples=[{"store_id": "S01", "terminal_id": "T3", "kind": "sale"}])
    note: Reason | None = None


class ReplayIn(BaseModel):
    """How one refusal is replayed."""

    as_new_epoch: bool = Field(
        default=False, description="a receipt in conflict: as of a till that began to number anew"
    )


class DiscardIn(BaseModel):
    """Why nothing will be done about it."""

    reason: Reason


class RefusalFilterIn(BaseModel):
    """Which refusals; every part narrows. Only open ones are looked at."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["refused", "conflict"] | None = None
    code: Code | None = None
    source_id: Annotated[str, Field(max_length=128)] | None = None
    kind: Annotated[str, Field(max_length=64)] | None = None
    since: Annotated[Moment | None, Field(description="received then or later")] = None
    until: Annotated[Moment | None, Field(description="received before")] = None


def _narrows(asked: RefusalFilterIn) -> RefusalFilterIn:
    if not any(value is not None for _, value in asked):
        raise ValueError("names nothing; say which refusals: by code, source_id, kind, outcome or time")
    return asked


class BulkReplayIn(BaseModel):
    """Which refusals to replay, oldest first."""

    filter: RefusalFilterIn = Field(default_factory=RefusalFilterIn)
    as_new_epoch: Annotated[
        bool, Field(description="take receipts in conflict instead, each till's day as one new run of numbers")
    ] = False
    limit: Annotated[int, Field(ge=1, le=REPLAYED_MAX)] = REPLAYED_MAX
    cursor: Annotated[str | None, Field(max_length=2000, description="next_cursor of the answer before")] = None


class BulkDiscardIn(BaseModel):
    """Which refusals to discard, oldest first; the filter names something, so that nobody discards all by mistake."""

    filter: Annotated[RefusalFilterIn, AfterValidator(_narrows)]
    reason: Reason
    limit: Annotated[int, Field(ge=1, le=REPLAYED_MAX)] = REPLAYED_MAX


class ResolvedOut(BaseModel):
    """What became of one refusal."""

    refusal: RefusalOut
    result: ResultOut | None = Field(description="what accepting said; null where it had been resolved before")
    is_forgotten: bool = Field(default=False, description="what was sent cannot be opened any more")


class BulkOut(BaseModel):
    """What became of all of them."""

    looked_at: int
    accepted: int
    repeated: int = Field(description="stored before; resolved now")
    refused: int = Field(description="refused again, and still open")
    left: int = Field(description="not to be replayed: kind unknown, resolved meanwhile, or forgotten")
    next_cursor: str | None = Field(description="go on with it; null when all were looked at")


class DiscardedOut(BaseModel):
    discarded: int
