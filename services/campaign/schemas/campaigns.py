"""Bodies of /v1/campaigns."""

import math
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.campaign.domain import campaigns as domain
from services.campaign.domain.result import Difference
from services.campaign.handlers.campaigns import Checked, Result

Name = Annotated[str, Field(min_length=1, max_length=200)]
Id = Annotated[str, Field(min_length=1, max_length=128)]
Ids = Annotated[list[Id], Field(max_length=1000)]
Minor = Annotated[int, Field(strict=True, ge=1, le=10**15)]
Level = Literal["watch", "elevated", "high", "critical"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AudienceBody(_Strict):
    """Whom it is for; every condition given must hold. Without any: everybody who ever bought."""

    segments_any: Ids = Field(default=[], description="in at least one of these segments")
    segments_all: Ids = Field(default=[], description="in all of these segments")
    churn_levels: list[Level] = Field(default=[], max_length=4, description="an open churn warning of these levels")
    store_ids: Ids = Field(default=[], description="bought in one of these stores in the last 365 days")
    exclude_segments: Ids = Field(default=[], description="in none of these segments")
    exclude_campaigns: list[UUID] = Field(
        default=[], max_length=100, description="taking part in none of these campaigns, in any arm"
    )

    def to_domain(self) -> domain.Audience:
        return domain.Audience(
            segments_any=tuple(self.segments_any),
            segments_all=tuple(set(self.segments_all)),
            churn_levels=tuple(self.churn_levels),
            store_ids=tuple(self.store_ids),
            exclude_segments=tuple(self.exclude_segments),
            exclude_campaigns=tuple(self.exclude_campaigns),
        )


class OfferBody(_Strict):
    """A coupon for each treated customer: a percentage or an amount off."""

    percent: int | None = Field(default=None, strict=True, ge=1, le=100, description="per cent off")
    amount_minor: Minor | None = Field(default=None, description="minor units off")
    min_basket_minor: int = Field(default=0, ge=0, le=10**15, description="least basket before coupons, minor units")
    categories: Ids = Field(default=[], description="only for products in one of these categories, at any depth")
    product_ids: Ids = Field(default=[], description="only for these products, beside those of the categories")
    valid_from: AwareDatetime
    valid_until: AwareDatetime = Field(description="the first moment it no longer works")
    uses_per_code: int = Field(default=1, ge=1, le=10_000, description="how often one code works")
    uses_per_customer: int = Field(default=1, ge=1, le=10_000, description="how often one customer may use the offer")
    cap_total_uses: int | None = Field(default=None, ge=1, le=10**9, description="how often all codes work together")
    cap_total_discount_minor: Minor | None = Field(
        default=None, description="most that all codes take off, minor units"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.percent is None) == (self.amount_minor is None):
            raise ValueError("give either percent or amount_minor")
        if self.valid_until <= self.valid_from:
            raise ValueError("valid_until must be after valid_from")
        return self

    def to_domain(self) -> domain.Offer:
        return domain.Offer(
            **self.model_dump(exclude={"categories", "product_ids"}),
            categories=tuple(self.categories),
            product_ids=tuple(self.product_ids),
        )


class TemplateBody(_Strict):
    """Jinja2 in a sandbox. May use: campaign, code, discount, valid_from, valid_until."""

    subject: str = Field(default="", max_length=500, description="of an e-mail")
    body: str = Field(min_length=1, max_length=20_000)

    def to_domain(self) -> domain.Template:
        return domain.Template(body=self.body, subject=self.subject)


class CampaignPlan(_Strict):
    """A campaign as it is planned; it never changes once it is approved."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Win back, autumn",
                    "audience": {"churn_levels": ["high", "critical"]},
                    "holdout_share": 0.2,
                    "outcome_days": 28,
                    "offer": {
                        "percent": 15,
                        "min_basket_minor": 2000,
                        "valid_from": "2026-11-23T00:00:00Z",
                        "valid_until": "2026-12-21T00:00:00Z",
                        "cap_total_uses": 500,
                        "cap_total_discount_minor": 200000,
                    },
                    "channel": "file",
                    "template": {"body": "{{ discount }} off with {{ code }} until {{ valid_until }}"},
                }
            ]
        },
    )

    name: Name
    audience: AudienceBody = AudienceBody()
    holdout_share: float = Field(
        default=0.1, ge=0, le=0.9, allow_inf_nan=False, description="share who get nothing, drawn at random; 0 to 0.9"
    )
    outcome_days: int = Field(default=28, ge=1, le=365, description="days after the start that are compared")
    channel: Literal["file", "email"] = "file"
    offer: OfferBody | None = None
    template: TemplateBody | None = None
    dry: bool = Field(default=False, description="an A/A comparison: drawn and measured, nothing is issued or sent")
    smallest_effect_share: float = Field(
        default=0.1,
        gt=0,
        le=10,
        allow_inf_nan=False,
        description="the difference in spend that matters, as a share of the hold-out's",
    )

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.dry and self.offer is None and self.template is None:
            raise ValueError("give an offer, a template, or dry: true")
        return self

    def to_domain(self) -> domain.Plan:
        return domain.Plan(
            name=self.name,
            audience=self.audience.to_domain(),
            holdout_share=self.holdout_share,
            outcome_days=self.outcome_days,
            channel=self.channel,
            offer=self.offer.to_domain() if self.offer else None,
            template=self.template.to_domain() if self.template else None,
            dry=self.dry,
            smallest_effect_share=self.smallest_effect_share,
        )


class CampaignView(BaseModel):
    """A campaign and where it stands."""

    campaign_id: UUID
    state: domain.State
    actions: list[domain.Action] = Field(description="what it may be told now")
    created_at: AwareDatetime
    created_by: str
    approved_at: AwareDatetime | None
    approved_by: str | None
    started_at: AwareDatetime | None
    stopped_at: AwareDatetime | None
    outcome_ends_at: AwareDatetime | None
    arms: dict[str, int] | None = Field(description="customers by arm; null where they were not counted")
    plan: CampaignPlan

    @classmethod
    def of(cls, campaign: domain.Campaign, plan: dict[str, object], arms: dict[str, int] | None = None) -> Self:
        return cls(
            campaign_id=campaign.campaign_id,
            state=campaign.state,
            actions=domain.allowed_actions(campaign.state),
            created_at=campaign.created_at,
            created_by=campaign.created_by,
            approved_at=campaign.approved_at,
            approved_by=campaign.approved_by,
            started_at=campaign.started_at,
            stopped_at=campaign.stopped_at,
            outcome_ends_at=campaign.outcome_ends_at(),
            arms=arms,
            plan=CampaignPlan.model_validate(plan),
        )


class CheckView(BaseModel):
    """What would happen if it started now."""

    audience: int = Field(description="customers who meet the conditions")
    suppressed: int = Field(description="of them, those who may not be written to")
    hold_out: int = Field(description="expected number held out")
    treated: int = Field(description="expected number treated")
    usual_spend_minor: int = Field(description="net spend per customer in the days before, minor units")
    usual_buyer_share: float
    smallest_detectable_minor: int | None = Field(
        description="difference in spend per customer found in four of five such campaigns, minor units"
    )
    smallest_detectable_share: float | None = Field(description="the same as a share of the usual spend")
    worst_cost_minor: int | None = Field(description="cost if every coupon is used; null: nothing bounds it")
    currency: str
    warnings: list[str]

    @classmethod
    def of(cls, checked: Checked, currency: str) -> Self:
        return cls(
            audience=checked.audience,
            suppressed=checked.suppressed,
            hold_out=checked.hold_out,
            treated=checked.treated,
            usual_spend_minor=_whole(checked.usual_spend),
            usual_buyer_share=checked.usual_buyer_share,
            smallest_detectable_minor=_whole_or_none(checked.smallest_detectable),
            smallest_detectable_share=checked.smallest_detectable_share,
            worst_cost_minor=checked.worst_cost_minor,
            currency=currency,
            warnings=list(checked.warnings),
        )


def _whole(estimate: float) -> int:
    """Return an estimate in whole minor units, half up."""
    return math.floor(estimate + 0.5)


def _whole_or_none(estimate: float) -> int | None:
    return _whole(estimate) if math.isfinite(estimate) else None


class ArmView(BaseModel):
    """One arm as drawn, those who bought nothing included."""

    customers: int
    buyers: int
    buyer_share: float
    net_minor: int = Field(description="net spend in the outcome window, minor units")
    net_per_customer_minor: int


class IntervalView(BaseModel):
    """A difference, treated less hold-out, with its 95 % interval; null where it cannot be told."""

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, difference: Difference) -> Self:
        is_finite = math.isfinite(difference.low) and math.isfinite(difference.high)
        return cls(
            value=difference.value,
            low=difference.low if is_finite else None,
            high=difference.high if is_finite else None,
        )


class ResultView(BaseModel):
    """A campaign's effect, measured against its hold-out."""

    campaign_id: UUID
    as_of: AwareDatetime
    window: tuple[AwareDatetime, AwareDatetime] = Field(description="[start, end) of what is compared")
    dry: bool = Field(description="an A/A comparison: there was no treatment, any difference is chance")
    finding: str = Field(description="not_enough_yet, no_difference_shown, more or less")
    reason: str
    treated: ArmView
    hold_out: ArmView
    suppressed: int = Field(description="customers taken out before the draw")
    merged: int = Field(
        description="customers left out because they turned out to be in both arms, or the same one twice"
    )
    spend_difference_minor: IntervalView = Field(description="net spend per customer, minor units; Welch's interval")
    buyer_share_difference: IntervalView = Field(description="share of buyers; Newcombe's interval")
    incremental_minor: IntervalView = Field(
        description="what the treated spent more in all, discounts already taken off, minor units"
    )
    smallest_detectable_minor: int | None = Field(description="per customer, with four chances in five, minor units")
    sample_ratio_p: float = Field(description="how likely such an uneven split is by chance")
    sample_ratio_suspect: bool = Field(description="below 0.001: do not trust the comparison")
    messages: dict[str, int] = Field(description="by state")
    coupons: int
    redemptions: int = Field(description="that stand, rolled back ones left out")
    customers_redeeming: int
    discount_minor: int = Field(description="what the redemptions cost, minor units")
    currency: str

    @classmethod
    def of(cls, result: Result, currency: str) -> Self:
        compared, activity, campaign = result.comparison, result.activity, result.campaign
        started_at, ends_at = campaign.started_at, campaign.outcome_ends_at()
        assert started_at is not None
        assert ends_at is not None
        return cls(
            campaign_id=campaign.campaign_id,
            as_of=result.as_of,
            window=(started_at, ends_at),
            dry=campaign.plan.dry,
            finding=compared.finding.value,
            reason=compared.reason,
            treated=_arm(result, "treated"),
            hold_out=_arm(result, "hold_out"),
            suppressed=result.suppressed,
            merged=result.merged,
            spend_difference_minor=IntervalView.of(compared.spend),
            buyer_share_difference=IntervalView.of(compared.buyers),
            incremental_minor=IntervalView.of(compared.incremental_minor),
            smallest_detectable_minor=_whole_or_none(compared.smallest_detectable),
            sample_ratio_p=compared.sample_ratio_p,
            sample_ratio_suspect=compared.is_sample_ratio_suspect,
            messages=activity.messages,
            coupons=activity.coupons,
            redemptions=activity.redemptions,
            customers_redeeming=activity.customers_redeeming,
            discount_minor=activity.discount_minor,
            currency=currency,
        )


def _arm(result: Result, name: Literal["treated", "hold_out"]) -> ArmView:
    figures = result.treated if name == "treated" else result.hold_out
    return ArmView(
        customers=figures.customers,
        buyers=figures.buyers,
        buyer_share=figures.share,
        net_minor=figures.net_minor,
        net_per_customer_minor=_whole(figures.mean),
    )
