"""Request and response models of the churn service's API."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.churn.episodes import LEVEL_NAMES
from services.churn.handlers.feedback import SNOOZE_DAYS, Verdict
from services.churn.handlers.standing import CustomerStanding
from shared.db import Row
from shared.registry import Manifest

Language = Literal["en", "zh"]
LevelName = Literal["watch", "elevated", "high", "critical"]
HORIZONS_WEEKS = (2, 4, 8, 12)


class ReasonOut(BaseModel):
    code: str = Field(description="stable name, such as comes_less_often")
    text: str = Field(description="one plain sentence, in the language asked for")
    now: float = Field(description="the figure now, in the unit of the sentence (amounts in minor units)")
    usual: float = Field(description="what was usual for this customer 8 to 12 weeks earlier")
    since: date = Field(description="the day the change began")

    @classmethod
    def of(cls, reason: dict[str, Any], language: Language) -> "ReasonOut":
        return cls(**{**reason, "text": reason["text"][language]})


class CustomerChurnOut(BaseModel):
    """Where a customer stands; probabilities are of the silence exceeding the customer's own limit."""

    customer_id: UUID
    as_of: date = Field(description="the day whose evening is described")
    state: Literal["insufficient_history", "active", "at_risk", "already_lost"]
    level: Literal["none", "watch", "elevated", "high", "critical"]
    probability: dict[str, float] = Field(description="of being lost within 2, 4, 8 and 12 weeks, 0 to 1")
    expected_weeks: list[int] | None = Field(description="[low, high] weeks until lost, the middle half; may be null")
    silence_days: int | None = Field(description="days since the last visit; null: never came")
    usual_gap_days: float | None = Field(description="median days between visits; null: none known")
    limit_days: float | None = Field(description="silence after which the customer counts as lost")
    value_at_risk_minor: int = Field(description="eight weeks' spend times the probability of loss, minor units")
    currency: str
    reasons: list[ReasonOut] = Field(description="the strongest first; empty without a level; frozen by a warning")
    warning_id: UUID | None = Field(description="the open warning, if any")
    model_version: str = Field(description="rule-1: no model was trained yet, or the customer not scored yet")

    @classmethod
    def of(cls, standing: CustomerStanding, currency: str, language: Language) -> "CustomerChurnOut":
        curve = standing.lost_by_week
        return cls(
            customer_id=standing.customer_id,
            as_of=standing.as_of,
            state=standing.state,
            level=LEVEL_NAMES[standing.level],
            probability={f"{weeks}w": round(curve[weeks - 1], 6) for weeks in HORIZONS_WEEKS},
            expected_weeks=list(standing.expected_weeks) if standing.expected_weeks else None,
            silence_days=standing.silence_days,
            usual_gap_days=standing.usual_gap_days,
            limit_days=standing.limit_days,
            value_at_risk_minor=standing.value_at_risk_minor,
            currency=currency,
            reasons=[ReasonOut.of(reason, language) for reason in standing.reasons],
            warning_id=standing.warning_id,
            model_version=standing.model_version,
        )


class WarningOut(BaseModel):
    """A warning; its reasons are those it was opened with, its other figures those of `as_of`."""

    warning_id: UUID
    customer_id: UUID
    level: LevelName
    opened_as_of: date
    opened_at_level: LevelName
    probability_8w: float
    expected_weeks: list[int]
    value_at_risk_minor: int
    currency: str
    urgency: float = Field(description="chance of loss in weeks 3 to 8 x square root of eight weeks' spend")
    store_id: str | None = Field(description="where the customer came most in 112 days")
    reasons: list[ReasonOut]
    as_of: date
    model_version: str
    snoozed_until: date | None
    closed_as_of: date | None
    outcome: Literal["returned", "cleared", "lapsed", "dismissed", "erased"] | None

    @classmethod
    def of(cls, row: Row, language: Language) -> "WarningOut":
        fields = dict(row)
        weeks = [fields.pop("expected_low"), fields.pop("expected_high")]
        reasons = [ReasonOut.of(reason, language) for reason in fields.pop("reasons")]
        levels = {name: LEVEL_NAMES[fields.pop(name)] for name in ("level", "opened_at_level")}
        return cls(**fields, **levels, expected_weeks=weeks, reasons=reasons)


class FeedbackIn(BaseModel):
    model_config = {"extra": "forbid"}

    verdict: Verdict = Field(description="useful: kept; wrong, done: the warning ends; snooze: hidden for some days")
    note: str | None = Field(default=None, max_length=1000)
    snooze_days: int = Field(default=SNOOZE_DAYS, ge=1, le=90, description="counts with the verdict snooze only")


class ScoreIn(BaseModel):
    model_config = {"extra": "forbid"}

    as_of: date | None = Field(default=None, description="score as of this day's evening; null: yesterday")


class WarningCountsOut(BaseModel):
    raised: int
    changed: int
    closed: int


class ScoreResultOut(BaseModel):
    as_of: date
    model_version: str
    customers: int
    levels: dict[str, int] = Field(description="customers by level")
    moved_warnings: bool = Field(description="false: an earlier day was scored for the record")
    warnings: WarningCountsOut


class ScoreRequestOut(BaseModel):
    request_id: UUID
    as_of: date
    state: Literal["pending", "done", "failed"]
    asked_by: str
    asked_at: datetime
    finished_at: datetime | None
    result: ScoreResultOut | None
    failure: str | None


class FactorOut(BaseModel):
    family: str
    contribution: float = Field(description="mean size of the family's contribution to the log-odds")
    share: float = Field(description="of all families, 0 to 1")


class FactorsOut(BaseModel):
    model_version: str
    factors: list[FactorOut]


class FigureOut(BaseModel):
    value: float
    low: float = Field(description="95 % interval; equal to value where none was computed")
    high: float


class ModelOut(BaseModel):
    version: str
    in_use: bool
    created_at: datetime
    window_from: date = Field(description="first day it learned from")
    window_until: date = Field(description="last day it learned from")
    code_version: str
    gate_passed: bool
    gate_failures: list[str]

    @classmethod
    def of(cls, manifest: Manifest, in_use: str | None) -> "ModelOut":
        gate = manifest.parameters["gate"]
        return cls(
            version=manifest.version,
            in_use=manifest.version == in_use,
            created_at=datetime.fromisoformat(manifest.created_at),
            window_from=date.fromisoformat(manifest.window_from),
            window_until=date.fromisoformat(manifest.window_until),
            code_version=manifest.code_version,
            gate_passed=gate["passed"],
            gate_failures=gate["failures"],
        )


class ModelsOut(BaseModel):
    model_in_use: str = Field(description="rule-1 before any model was promoted")
    models: list[ModelOut] = Field(description="newest first")


class ModelInUseOut(BaseModel):
    model_in_use: str


class EvaluationOut(BaseModel):
    """Figures of the model in use on days it had not learned from when they were taken."""

    model_version: str
    held_out_from: date | None
    metrics: dict[str, FigureOut] = Field(description="label.figure, such as lapse28.auc")
    segments: dict[str, dict[str, FigureOut]]
    gate_failures: list[str]


def language_of(accept_language: str | None) -> Language:
    """Return the first of our languages in an Accept-Language header, in the caller's order; else English."""
    wanted: list[tuple[float, str]] = []
    for part in (accept_language or "").split(","):
        tag, _, quality = part.strip().partition(";q=")
        wanted.append((-_quality(quality), tag.lower().partition("-")[0]))
    for _, tag in sorted(wanted, key=lambda each: each[0]):
        if tag == "zh":
            return "zh"
        if tag in {"en", "*"}:
            break
    return "en"


def _quality(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
