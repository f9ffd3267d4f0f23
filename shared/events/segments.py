"""Customers entering and leaving segments and stages of life."""

from uuid import UUID

from pydantic import Field

from shared.events.base import Code, EventData, Identifier, Name, Ordinal, Part, UtcDatetime


class _Transition(Part):
    customer_id: UUID
    n: Ordinal = Field(description="Number of this transition of its kind and customer; the highest is the state.")
    at: UtcDatetime = Field(description="The moment as of which it was found, UTC.")


class SegmentEnteredV1(_Transition, EventData):
    """A customer now meets a segment's definition. `n` counts within (segment, customer)."""

    segment_id: Identifier
    segment_name: Name


class SegmentLeftV1(_Transition, EventData):
    """A customer no longer meets a segment's definition. `n` counts within (segment, customer)."""

    segment_id: Identifier
    segment_name: Name


class LifecycleChangedV1(_Transition, EventData):
    """A customer moved to another stage, such as from active to at_risk. `n` counts within the customer."""

    from_stage: Code | None = Field(default=None, description="Null: the first stage.")
    to_stage: Code
