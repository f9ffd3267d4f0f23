"""The requests and answers of the routes of experiments."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.recommend.domain.diversity import Diversity
from services.recommend.domain.experiments import PLACES, Experiment, Method, State, Switch, Treatment, Variant
from services.recommend.domain.outcomes import GUARD_RAILS
from services.recommend.domain.requests import Placement
from services.recommend.domain.significance import Difference, Estimate, Preference, RatioCheck
from services.recommend.handlers.experiments import Result, VariantResult

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", examples=["diversity-2026-11"])]
VARIANTS_MAX = 6
RULES_SWITCHED_MAX = 20


class Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TreatmentIn(Given):
    """What a variant changes, where the request leaves its own at the default; nothing: as without the experiment."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_version: str | None = Field(default=None, min_length=1, max_length=128, description="a trained version")
    diversity: Diversity | None = None
    exclude_purchased: str | None = Field(
        default=None, pattern=r"^(all|recent:\d{1,4}d)$", description="all, or recent:Nd, like recent:7d"
    )
    personalized: Literal[False] | None = Field(default=None, description="false: without the customer's history")
    rules: Literal[False] | None = Field(default=None, description="false: none of the shop's rules holds")
    rules_on: list[UUID] = Field(
        default=[], max_length=RULES_SWITCHED_MAX, description="drafts that hold here besides the active rules"
    )
    rules_off: list[UUID] = Field(
        default=[], max_length=RULES_SWITCHED_MAX, description="active rules that do not hold here"
    )
    exploration: bool | None = Field(
        default=None, description="with or without a slot for new products, whatever the placement is set to"
    )

    def treatment(self) -> Treatment:
        switch = Switch(self.rules, tuple(self.rules_on), tuple(self.rules_off), self.exploration)
        return Treatment(self.model_version, self.diversity, self.exclude_purchased, self.personalized, switch)


class VariantIn(Given):
    name: Slug
    weight: int = Field(default=1, ge=1, le=100, description="relative to the other variants'")
    treatment: TreatmentIn = Field(default_factory=TreatmentIn)


class ExperimentIn(Given):
    """A definition. The first variant is what the others are compared with."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "id": "diversity-2026-11",
                    "about": "do more kinds of products on the home page sell more?",
                    "method": "ab",
                    "placements": ["for-you"],
                    "share": 0.5,
                    "variants": [
                        {"name": "as-is"},
                        {"name": "spread", "treatment": {"diversity": "medium"}},
                    ],
                }
            ]
        },
    )

    id: Slug
    about: str = Field(default="", max_length=1000)
    method: Method = Field(default=Method.AB, description="ab, or interleaving: both variants in one list")
    layer: Slug = Field(default="default", description="experiments of one layer never share a customer")
    placements: list[Placement] = Field(min_length=1, max_length=len(Placement))
    share: float = Field(default=1.0, ge=1 / PLACES, le=1, description="of the customers and sessions")
    variants: list[VariantIn] = Field(min_length=2, max_length=VARIANTS_MAX)
    attribution_days: int = Field(
        default=7, ge=1, le=60, description="a purchase counts for a list that showed the product this long before"
    )

    def experiment(self, now: datetime) -> Experiment:
        return Experiment(
            experiment_id=self.id,
            about=self.about,
            method=self.method,
            layer=self.layer,
            placements=frozenset(self.placements),
            share=self.share,
            variants=tuple(Variant(each.name, each.weight, each.treatment.treatment()) for each in self.variants),
            attribution_days=self.attribution_days,
            created_at=now,
        )


class TreatmentOut(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model_version: str | None
    diversity: str | None
    exclude_purchased: str | None
    personalized: bool | None
    rules: bool | None
    rules_on: list[UUID]
    rules_off: list[UUID]
    exploration: bool | None


class VariantOut(BaseModel):
    name: str
    weight: int
    treatment: TreatmentOut

    @classmethod
    def of(cls, variant: Variant) -> "VariantOut":
        return cls(
            name=variant.name,
            weight=variant.weight,
            treatment=TreatmentOut(
                model_version=variant.treatment.model_version,
                diversity=variant.treatment.diversity,
                exclude_purchased=variant.treatment.exclude_purchased,
                personalized=variant.treatment.personalized,
                rules=variant.treatment.switch.rules,
                rules_on=list(variant.treatment.switch.rules_on),
                rules_off=list(variant.treatment.switch.rules_off),
                exploration=variant.treatment.switch.exploration,
            ),
        )


class ExperimentStateOut(BaseModel):
    """An experiment as it is defined and as it stands."""

    id: str
    about: str
    state: State
    method: Method
    layer: str
    placements: list[Placement]
    share: float
    variants: list[VariantOut]
    attribution_days: int
    created_at: AwareDatetime | None
    started_at: AwareDatetime | None
    stopped_at: AwareDatetime | None

    @classmethod
    def of(cls, experiment: Experiment) -> "ExperimentStateOut":
        return cls(
            id=experiment.experiment_id,
            about=experiment.about,
            state=experiment.state,
            method=experiment.method,
            layer=experiment.layer,
            placements=sorted(experiment.placements),
            share=experiment.share,
            variants=[VariantOut.of(variant) for variant in experiment.variants],
            attribution_days=experiment.attribution_days,
            created_at=experiment.created_at,
            started_at=experiment.started_at,
            stopped_at=experiment.stopped_at,
        )


class ExperimentsOut(BaseModel):
    experiments: list[ExperimentStateOut] = Field(description="newest first")


class EstimateOut(BaseModel):
    """A figure with its 95 % interval over people."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, estimate: Estimate) -> "EstimateOut":
        return cls(value=estimate.value, low=estimate.low, high=estimate.high)


class DifferenceOut(EstimateOut):
    """A figure less the first variant's. Look at low and high once, at the end; at `always` as often as you like."""

    p_value: float
    always_low: float
    always_high: float
    proven: bool = Field(description="0 is outside of low…high")
    proven_always: bool = Field(description="0 is outside of always_low…always_high")
    guard_rail: bool = Field(description="a figure that must not rise")

    @classmethod
    def of_figure(cls, name: str, found: Difference) -> "DifferenceOut":
        return cls(
            value=found.value,
            low=found.low,
            high=found.high,
            p_value=found.p_value,
            always_low=found.always[0],
            always_high=found.always[1],
            proven=found.is_proven,
            proven_always=found.is_proven_always,
            guard_rail=name in GUARD_RAILS,
        )


class VariantResultOut(BaseModel):
    """What came of one variant's lists; the keys of both maps are names of figures."""

    name: str
    people: int = Field(description="customers and sessions that were shown a list")
    figures: dict[str, EstimateOut]
    against_first: dict[str, DifferenceOut]

    @classmethod
    def of(cls, found: VariantResult) -> "VariantResultOut":
        return cls(
            name=found.name,
            people=found.people,
            figures={name: EstimateOut.of(each) for name, each in found.figures.items()},
            against_first={name: DifferenceOut.of_figure(name, each) for name, each in found.against_first.items()},
        )


class RatioCheckOut(BaseModel):
    """Chi-square of how many people came to each variant; below 0.001 something is broken."""

    p_value: float
    alarming: bool
    expected: dict[str, float]
    found: dict[str, int]

    @classmethod
    def of(cls, check: RatioCheck | None) -> "RatioCheckOut | None":
        if check is None:
            return None
        return cls(
            p_value=check.p_value,
            alarming=check.is_alarming,
            expected=dict(check.expected),
            found=dict(check.found),
        )


class PreferenceOut(EstimateOut):
    """Of an interleaving: the share of people who acted more on the second variant's products (exact sign test)."""

    p_value: float
    second: int
    first: int
    undecided: int

    @classmethod
    def of_test(cls, found: Preference | None) -> "PreferenceOut | None":
        if found is None:
            return None
        return cls(
            value=found.share,
            low=found.low,
            high=found.high,
            p_value=found.p_value,
            second=found.wins,
            first=found.losses,
            undecided=found.ties,
        )


class ExperimentResultOut(ExperimentStateOut):
    """An experiment and what it has shown. Read `warnings` first."""

    as_of: AwareDatetime | None = Field(description="everything up to here is counted; null: not counted yet")
    warnings: list[str]
    results: list[VariantResultOut]
    ratio_check: RatioCheckOut | None
    preference: PreferenceOut | None
    people_cut: int = Field(description="of so many people only the first lists are counted")

    @classmethod
    def of_result(cls, found: Result) -> "ExperimentResultOut":
        state = ExperimentStateOut.of(found.experiment)
        return cls(
            **{name: getattr(state, name) for name in ExperimentStateOut.model_fields},
            as_of=found.as_of,
            warnings=list(found.warnings),
            results=[VariantResultOut.of(each) for each in found.variants],
            ratio_check=RatioCheckOut.of(found.ratio),
            preference=PreferenceOut.of_test(found.preference),
            people_cut=found.people_cut,
        )
