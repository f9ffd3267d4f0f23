"""The requests and answers of the routes of rules."""

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.recommend.domain.requests import MAX_LIMIT, Placement
from services.recommend.domain.rule_texts import definition_of
from services.recommend.domain.rules import (
    FACTOR_MAX,
    INJECTED_MAX,
    NAMES_MAX,
    PRIORITY_MAX,
    RULES_MAX,
    Audience,
    RuleKind,
    RuleState,
)
from services.recommend.handlers.rules import Kept
from services.recommend.schemas.asking import Asked, Moment, ProductId, RecommendIn, ShortText
from services.recommend.schemas.lists import EffectOut, ItemOut
from services.recommend.store.rules import Change
from shared.events.base import MinorUnits


class SelectorIn(Asked):
    """Which products: every part that is given must hold, and of a part one name suffices."""

    product_ids: list[ProductId] = Field(default_factory=list, max_length=NAMES_MAX)
    categories: list[ShortText] = Field(default_factory=list, max_length=NAMES_MAX, description="of any level")
    product_types: list[ShortText] = Field(default_factory=list, max_length=NAMES_MAX)
    brands: list[ShortText] = Field(default_factory=list, max_length=NAMES_MAX)
    labels: list[ShortText] = Field(
        default_factory=list, max_length=NAMES_MAX, description="of the catalogue's attribute `labels`"
    )
    price_min_minor: MinorUnits | None = None
    price_max_minor: MinorUnits | None = None


class ScopeIn(Asked):
    """Which lists; an empty part means all."""

    placements: list[Placement] = Field(default_factory=list, max_length=len(Placement))
    store_ids: list[ShortText] = Field(default_factory=list, max_length=NAMES_MAX)
    channels: list[ShortText] = Field(default_factory=list, max_length=50)
    audience: Audience = Field(
        default=Audience.EVERYBODY, description="known: whose own purchases are used for the list"
    )


class RulePartsIn(Asked):
    """The parts of a rule that its kind decides on."""

    priority: int = Field(default=0, ge=-PRIORITY_MAX, le=PRIORITY_MAX, description="the higher wins")
    scope: ScopeIn = Field(default_factory=ScopeIn)
    state: RuleState = Field(default=RuleState.DRAFT, description="only active rules touch lists")
    valid_from: Moment | None = None
    valid_until: Moment | None = Field(default=None, description="excluded")
    place: int | None = Field(default=None, ge=1, le=MAX_LIMIT, description="pin, inject: from 1")
    factor: float | None = Field(
        default=None, gt=1, le=FACTOR_MAX, description="boost, bury: how many times nearer the front, or the end"
    )
    places: int | None = Field(default=None, ge=1, le=MAX_LIMIT, description="boost, bury: by so many places")
    at_least: int | None = Field(default=None, ge=0, le=MAX_LIMIT, description="quota: of one list")
    at_most: int | None = Field(default=None, ge=0, le=MAX_LIMIT, description="quota: of one list")
    count: int | None = Field(default=None, ge=1, le=INJECTED_MAX, description="inject: how many at most")


class RuleIn(RulePartsIn):
    """A new rule."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Easter eggs in front",
                    "kind": "pin",
                    "selector": {"product_ids": ["P100"]},
                    "place": 1,
                    "scope": {"placements": ["for-you"], "store_ids": ["S01"]},
                    "valid_until": "2027-03-29T00:00:00+02:00",
                    "state": "active",
                },
                {"name": "own brand", "kind": "boost", "selector": {"labels": ["own brand"]}, "factor": 2},
                {
                    "name": "no more than two sweets",
                    "kind": "quota",
                    "selector": {"categories": ["CANDY"]},
                    "at_most": 2,
                },
            ]
        }
    )

    name: ShortText
    kind: RuleKind
    selector: SelectorIn

    def definition(self) -> dict[str, Any]:
        return _definition(self)


class RuleChangeIn(RulePartsIn):
    """What is given replaces what is there; null takes it away. The kind of a rule never changes."""

    name: ShortText = Field(default_factory=str)
    selector: SelectorIn = Field(default_factory=SelectorIn)

    def changes(self) -> dict[str, Any]:
        return _definition(self)


def _definition(asked: RulePartsIn) -> dict[str, Any]:
    """Return the given fields as plain values, `state` among them."""
    return asked.model_dump(mode="json", exclude_unset=True)


class RuleOut(BaseModel):
    rule_id: UUID
    revision: int
    name: str
    kind: RuleKind
    state: RuleState
    priority: int
    selector: dict[str, Any]
    scope: dict[str, Any]
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    place: int | None = None
    factor: float | None = None
    places: int | None = None
    at_least: int | None = None
    at_most: int | None = None
    count: int | None = None
    created_at: AwareDatetime
    changed_at: AwareDatetime

    @classmethod
    def of(cls, kept: Kept) -> "RuleOut":
        return cls.model_validate(
            {
                "rule_id": kept.rule.rule_id,
                "revision": kept.revision,
                "state": kept.rule.state,
                "created_at": kept.created_at,
                "changed_at": kept.changed_at,
                **definition_of(kept.rule),
            }
        )


class RulesOut(BaseModel):
    rules: list[RuleOut] = Field(description=f"in order of creation; at most {RULES_MAX}")


class ChangeOut(BaseModel):
    """One change: who made it, when, what was before and what is after."""

    action: Literal["created", "changed", "deleted"]
    actor: str
    key_id: str
    changed_at: AwareDatetime
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @classmethod
    def of(cls, change: Change) -> "ChangeOut":
        return cls.model_validate(
            {
                "action": change.action,
                "actor": change.actor,
                "key_id": change.key_id,
                "changed_at": change.changed_at,
                "before": change.before,
                "after": change.after,
            }
        )


class HistoryOut(BaseModel):
    changes: list[ChangeOut] = Field(description="the newest first")


class PreviewIn(Asked):
    """A question, and the rules to try on it beside the active ones."""

    placement: Placement
    request: RecommendIn = Field(default_factory=RecommendIn)
    rules: list[RuleIn] = Field(default_factory=list, max_length=20, description="not kept anywhere yet")
    rule_ids: list[UUID] = Field(
        default_factory=list, max_length=RULES_MAX, description="drafts, or rules that are off"
    )


class PreviewOut(BaseModel):
    before: list[ItemOut] = Field(description="without any rule")
    after: list[ItemOut]
    rules: list[EffectOut] = Field(description="what each rule did; those of `rules` have ids made for this answer")
