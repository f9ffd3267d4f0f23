"""Sources as they are managed."""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from services.ingest.domain.bots import BotFilter
from services.ingest.domain.plans import EVENTS_MAX, NAME_CHARS_MAX, Action
from services.ingest.domain.sources import SourceKind
from services.ingest.schemas.refusals import Moment

Name = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
RATE_MAX = 1_000_000


class LimitIn(BaseModel):
    """How much a source may send to each API process; beyond it is 429 with `Retry-After`."""

    model_config = ConfigDict(from_attributes=True)

    events_per_second: Annotated[int, Field(ge=1, le=RATE_MAX, description="on average", examples=[200])]
    burst: Annotated[int, Field(ge=1, le=RATE_MAX, description="events at once", examples=[2500])]


class SourceIn(BaseModel):
    """A source to make."""

    kind: SourceKind = Field(description="pos, server, import: secret keys; web, app: public ones")
    id: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$", description="left out: made up")] = None
    name: Name = ""


class SourceChangeIn(BaseModel):
    """What to change; what is left out stays. `limit` null takes the limit away."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    limit: LimitIn | None = None
    bot_filter: Annotated[
        BotFilter | None, Field(description="known crawlers: off; flag: taken and counted; drop: only counted")
    ] = None


class KeyOut(BaseModel):
    """A key that holds, without its text."""

    created_at: datetime
    ends_at: datetime | None = Field(description="null: until it is rotated")


class SourceOut(BaseModel):
    """A source."""

    source_id: str
    kind: SourceKind
    name: str
    created_at: datetime
    disabled_at: datetime | None
    keys: list[KeyOut] = Field(description="that hold; two while one is being rotated")
    limit: LimitIn | None
    bot_filter: BotFilter


class SourceMade(BaseModel):
    """A new source with its write key, which is shown this once."""

    source_id: str
    kind: SourceKind
    write_key: str


class SourcesOut(BaseModel):
    sources: list[SourceOut]


class RotateIn(BaseModel):
    """Until when the key that holds now holds beside the new one."""

    old_key_until: Annotated[
        Moment | None, Field(description="up to 90 days ahead; now: ends at once; left out: in 7 days")
    ] = None


class RotatedOut(BaseModel):
    """The new write key, which is shown this once."""

    source_id: str
    write_key: str
    old_key_until: datetime


class FiguresOut(BaseModel):
    """What became of events; all are counts."""

    model_config = ConfigDict(from_attributes=True)

    accepted: int
    repeated: int = Field(description="stored before: nothing changed")
    conflicts: int = Field(description="same key, other content")
    refused: int
    dropped: int = Field(description="by the bot filter or the tracking plan")
    bots: int = Field(description="of known crawlers, flagged or dropped")
    violations: int = Field(description="events that were not as planned, whatever became of them")
    corrected: int = Field(description="events in which a rule of quality changed something")
    late: int = Field(description="accepted more than an hour after they happened")
    limited: int = Field(description="in requests answered 429")


class DayFiguresOut(FiguresOut):
    """The figures of one day."""

    day: date = Field(description="of reception, in the chain's zone")


class SourceFiguresOut(BaseModel):
    """A source's figures, newest day first."""

    source_id: str
    last_seen_at: datetime | None
    oldest_unsent_at: datetime | None = Field(
        description="when its oldest event that was not yet published was stored; null: all are published"
    )
    oldest_unsent_seconds: float | None
    totals: FiguresOut = Field(description="of the days listed")
    days: list[DayFiguresOut]


class PlannedEventIn(BaseModel):
    """One event as it should be."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    json_schema: dict[str, Any] = Field(
        alias="schema", description="JSON Schema (2020-12) of its properties or traits; up to 32 kB, 20 levels"
    )
    on_violation: Action | None = Field(default=None, description="left out: the plan's")


class PlanIn(BaseModel):
    """What a source may send; `$identify`, `$group`, `$page` and `$screen` name the messages other than track."""

    model_config = ConfigDict(extra="forbid")

    events: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)], PlannedEventIn],
        Field(max_length=EVENTS_MAX),
    ]
    on_violation: Action = Field(default=Action.ALLOW, description="allow: taken and listed; drop; refuse")
    on_unplanned: Action = Field(default=Action.ALLOW, description="track events that the plan does not name")


class PlanOut(PlanIn):
    """A source's tracking plan."""

    source_id: str
    version: int = Field(description="rises with every change")
    changed_at: datetime
    changed_by: str


class ViolationOut(BaseModel):
    """One kind of violation of a plan."""

    model_config = ConfigDict(from_attributes=True)

    event: str
    rule: str = Field(description="the keyword of JSON Schema that does not hold, or `unplanned`")
    path: str = Field(description="JSON pointer into properties or traits, places in lists as *")
    message: str
    times: int
    first_at: datetime
    last_at: datetime
    sample: dict[str, str] = Field(description="of the latest: its fields, with types in place of values")


class QualityOfSourceOut(BaseModel):
    source_id: str
    times: int
    last_at: datetime


class QualityRuleOut(BaseModel):
    """One rule of quality, and how often it was needed."""

    rule: str
    way: str = Field(description="standardise, correct, fill, leave_out or refuse")
    says: str
    times: int
    last_at: datetime | None
    sources: list[QualityOfSourceOut] = Field(description="that needed it most, up to 50")


class QualityOut(BaseModel):
    rules: list[QualityRuleOut]


PLAN_EXAMPLE = {
    "on_violation": "refuse",
    "on_unplanned": "allow",
    "events": {
        "Product Viewed": {
            "schema": {
                "type": "object",
                "required": ["product_id"],
                "properties": {"product_id": {"type": "string"}, "price": {"type": "number", "minimum": 0}},
            },
            "on_violation": "drop",
        }
    },
}
