"""What a campaign is, and which state may follow which."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class State(StrEnum):
    """Where a campaign stands. An approved plan never changes; a stopped campaign never starts again."""

    DRAFT = "draft"
    APPROVED = "approved"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class Action(StrEnum):
    """What a person asks of a campaign."""

    APPROVE = "approve"
    START = "start"
    PAUSE = "pause"
    STOP = "stop"


TRANSITIONS: Mapping[tuple[State, Action], State] = {
    (State.DRAFT, Action.APPROVE): State.APPROVED,
    (State.APPROVED, Action.START): State.RUNNING,
    (State.PAUSED, Action.START): State.RUNNING,
    (State.RUNNING, Action.PAUSE): State.PAUSED,
    (State.RUNNING, Action.STOP): State.STOPPED,
    (State.PAUSED, Action.STOP): State.STOPPED,
}
_OUTCOME: Mapping[Action, State] = {
    Action.APPROVE: State.APPROVED,
    Action.START: State.RUNNING,
    Action.PAUSE: State.PAUSED,
    Action.STOP: State.STOPPED,
}


def state_after(state: State, action: Action) -> State | None:
    """Return the state that follows; the same one for an action already done; None where it may not be done."""
    if _OUTCOME[action] is state:
        return state
    return TRANSITIONS.get((state, action))


def allowed_actions(state: State) -> list[Action]:
    return [action for action in Action if (state, action) in TRANSITIONS]


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a campaign is for. Each empty condition asks for nothing; all that are given must hold."""

    segments_any: tuple[str, ...] = ()
    segments_all: tuple[str, ...] = ()
    churn_levels: tuple[str, ...] = ()
    store_ids: tuple[str, ...] = ()
    exclude_segments: tuple[str, ...] = ()
    exclude_campaigns: tuple[UUID, ...] = ()

    @property
    def is_by_profile(self) -> bool:
        """Whether it chooses people by what was concluded of them, which not everybody allows."""
        return bool(
            self.segments_any or self.segments_all or self.churn_levels or self.store_ids or self.exclude_segments
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """What a coupon takes off, and its limits. Exactly one of `percent` and `amount_minor` is set."""

    valid_from: datetime
    valid_until: datetime
    percent: int | None = None
    amount_minor: int | None = None
    min_basket_minor: int = 0
    categories: tuple[str, ...] = ()
    product_ids: tuple[str, ...] = ()
    uses_per_code: int = 1
    uses_per_customer: int = 1
    cap_total_uses: int | None = None
    cap_total_discount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """The message, in Jinja2; `subject` is used by e-mail alone."""

    body: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A campaign as it was planned. `dry`: an A/A comparison, drawn and measured, but nothing is sent."""

    name: str
    audience: Audience
    holdout_share: float
    outcome_days: int
    channel: str = "file"
    offer: Offer | None = None
    template: Template | None = None
    dry: bool = False
    smallest_effect_share: float = 0.1


@dataclass(frozen=True, slots=True)
class Campaign:
    """A stored campaign."""

    campaign_id: UUID
    plan: Plan
    state: State
    created_at: datetime
    created_by: str
    approved_at: datetime | None = None
    approved_by: str | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None

    def outcome_ends_at(self) -> datetime | None:
        """Return the end of the outcome window (excluded); None before the start."""
        if self.started_at is None:
            return None
        return self.started_at + timedelta(days=self.plan.outcome_days)
