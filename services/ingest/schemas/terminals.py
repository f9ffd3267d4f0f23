"""Terminals and the numbers that they have not sent yet."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field


class TerminalOut(BaseModel):
    """One terminal's business day."""

    model_config = ConfigDict(from_attributes=True)

    store_id: str
    terminal_id: str
    epochs: int = Field(description="runs of numbers that day; more than 1: it started counting again")
    received: int = Field(description="different numbers that came")
    missing: int = Field(description="numbers between the first and the last of each run that have not come")
    last_at: datetime = Field(description="time of its latest receipt that day, by its own clock")


class ClockOut(BaseModel):
    """A terminal's clock, as several exchanges with it tell."""

    model_config = ConfigDict(from_attributes=True)

    store_id: str
    terminal_id: str
    skew_minutes: int = Field(description="minutes to add to its time to have ours; above 0: it is behind")
    exchanges: int = Field(description="how many of its times were compared with ours, the last 15 at most")
    is_settled: bool = Field(description="most of them agree; else the skew is what was known before")
    is_implausible: bool = Field(description="half an hour off or more: have it set; past a day it is not corrected")
    observed_at: datetime


class GapOut(BaseModel):
    """Numbers that have not come."""

    first: int
    last: int


class RunOut(BaseModel):
    """One run of numbers of a terminal's day."""

    sequence_epoch: int
    first_number: int
    last_number: int
    received: int = Field(description="different numbers that came")
    missing: int = Field(description="numbers between first and last that have not come")
    gaps: list[GapOut] = Field(description="in order, the first 1,000 at most")
    is_complete: bool = Field(description="false: it counts in no order; what came later was not followed")


class GapsOut(BaseModel):
    """What a terminal's day lacks, as far as its own numbers tell."""

    store_id: str
    terminal_id: str
    business_date: date
    runs: list[RunOut]
    since_day_before: GapOut | None = Field(
        description="numbers between its day before and this one's first, where it counts on from day to day"
    )
