"""Early warnings that a customer is about to leave."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import (
    Code,
    Currency,
    EventData,
    Identifier,
    MinorUnits,
    Number,
    Ordinal,
    Part,
    Probability,
    Sentence,
)

Level = Literal["watch", "elevated", "high", "critical"]
Weeks = Annotated[float, Field(ge=0, le=520, allow_inf_nan=False)]


class Reason(Part):
    """One reason, with the figures behind it."""

    code: Code = Field(description="Stable name, such as gap_longer_than_usual.")
    text: Sentence = Field(description="One plain sentence.")
    now: Number | None = Field(default=None, description="The figure now, in the unit of the code.")
    usual: Number | None = Field(default=None, description="What is usual for this customer, same unit.")
    since: date | None = Field(default=None, description="Since when it has been so.")


class _Warning(Part):
    warning_id: UUID
    customer_id: UUID
    n: Ordinal = Field(description="Number of this change of the customer's warnings; the highest is the state.")


class _OpenWarning(_Warning):
    level: Level
    probability_8w: Probability = Field(description="Probability of leaving within eight weeks, 0 to 1.")
    expected_weeks: tuple[Weeks, Weeks] = Field(description="Expected to leave in [low, high] weeks from as_of.")
    value_at_risk_minor: MinorUnits = Field(
        description="Eight weeks' spend times the probability of loss, minor units."
    )
    currency: Currency
    reasons: tuple[Reason, ...] = Field(min_length=1, max_length=10, description="The strongest first.")
    as_of: date = Field(description="The day whose evening the figures describe.")
    model_version: Identifier


class WarningRaisedV1(_OpenWarning, EventData):
    """A customer is at risk."""


class WarningChangedV1(_OpenWarning, EventData):
    """An open warning has another level."""

    previous_level: Level


class WarningClosedV1(_Warning, EventData):
    """A warning is over."""

    outcome: Literal["returned", "cleared", "lapsed", "dismissed", "erased"] = Field(
        description="returned: bought again; cleared: the score fell; lapsed: gone; dismissed: by hand."
    )
    last_level: Level
    as_of: date
