"""Planning, checking and running campaigns, and reading their results."""

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.campaign import rendering
from services.campaign.domain.audience import SEED_BYTES, Arm, Consent, draw, may_be_sent
from services.campaign.domain.campaigns import Action, Campaign, Plan, State, allowed_actions, state_after
from services.campaign.domain.result import ArmFigures, Comparison, compare, smallest_detectable
from services.campaign.errors import CampaignNotFound, NotConfigured, WrongState
from services.campaign.store import campaigns as store
from services.campaign.store import messages, redemptions, results
from services.campaign.store.campaigns import Participant
from services.campaign.store.results import Activity
from shared.clock import Clock
from shared.db import Database, Transaction

DRAWN_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What a campaign would be if it started now. Spends are minor units per customer and outcome window."""

    audience: int
    suppressed: int
    hold_out: int
    treated: int
    usual_spend: float
    usual_buyer_share: float
    smallest_detectable: float
    smallest_detectable_share: float | None
    worst_cost_minor: int | None
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Result:
    """A campaign's result so far."""

    campaign: Campaign
    as_of: datetime
    treated: ArmFigures
    hold_out: ArmFigures
    suppressed: int
    merged: int
    comparison: Comparison
    activity: Activity


@dataclass(frozen=True, slots=True)
class Campaigns:
    """The use cases of campaigns. `channels`: those that messages can leave by here."""

    database: Database
    clock: Clock
    currency: str
    channels: frozenset[str]

    async def plan(self, plan: Plan, actor: str) -> Campaign:
        """Store a draft. Raises BadTemplate for a template that does not work."""
        rendering.check(plan, self.currency)
        campaign = Campaign(uuid4(), plan, State.DRAFT, self.clock.now(), actor)
        async with self.database.transaction() as tx:
            await store.add_campaign(tx, campaign, secrets.token_bytes(SEED_BYTES))
        return campaign

    async def find(self, campaign_id: UUID) -> Campaign:
        campaign = await store.find_campaign(self.database, campaign_id)
        if campaign is None:
            raise CampaignNotFound("there is no such campaign", field="campaign_id")
        return campaign

    async def act(self, campaign_id: UUID, action: Action, actor: str) -> Campaign:
        """Approve, start, pause or stop. Doing again what is done already changes nothing.

        Raises CampaignNotFound, WrongState, and NotConfigured when its channel has no server here.
        """
        async with self.database.transaction() as tx:
            campaign = await store.find_campaign(tx, campaign_id, for_update=True)
            if campaign is None:
                raise CampaignNotFound("there is no such campaign", field="campaign_id")
            state = state_after(campaign.state, action)
            if state is None:
                raise _wrong_state(campaign, action)
            if state is not campaign.state:
                await self._enter(tx, campaign, state, actor)
            moved = await store.find_campaign(tx, campaign_id)
        assert moved is not None
        return moved

    async def _enter(self, tx: Transaction, campaign: Campaign, state: State, actor: str) -> None:
        now = self.clock.now()
        if state is State.RUNNING and campaign.started_at is None:
            await self._draw(tx, campaign, now)
        if state is State.STOPPED:
            await messages.withdraw_waiting(tx, campaign.campaign_id, now)
        await store.move_campaign(tx, campaign, state, actor=actor, now=now)

    async def _draw(self, tx: Transaction, campaign: Campaign, now: datetime) -> None:
        """Freeze the audience and draw the hold-out: stored with the start itself, before anything is sent."""
        plan = campaign.plan
        if not plan.dry and plan.channel not in self.channels:
            raise NotConfigured(f"there is no server for the channel {plan.channel} here")
        if plan.offer is not None:
            offer = plan.offer
            await redemptions.open_caps(
                tx, campaign.campaign_id, offer.cap_total_uses, offer.cap_total_discount_minor
            )
        seed = await store.seed_of(tx, campaign.campaign_id)
        audience = await store.audience_of(tx, plan.audience, now)
        for start in range(0, len(audience), DRAWN_AT_ONCE):
            customer_ids = audience[start : start + DRAWN_AT_ONCE]
            said = await store.marketing_consents(tx, customer_ids)
            people = [_drawn(customer_id, plan, seed, said, now) for customer_id in customer_ids]
            await store.add_participants(tx, campaign.campaign_id, people)

    async def check(self, campaign_id: UUID) -> Checked:
        """Say what would happen: how many people, and the smallest effect that could be told from chance."""
        plan = (await self.find(campaign_id)).plan
        now = self.clock.now()
        audience = await store.audience_of(self.database, plan.audience, now)
        said = await store.marketing_consents(self.database, audience)
        eligible = [
            customer_id
            for customer_id in audience
            if plan.dry or may_be_sent(said.get(customer_id, ()), plan.channel)
        ]
        since = now - timedelta(days=plan.outcome_days)
        usual = await results.spend_of(self.database, eligible, since, now, self.currency)
        return _checked(plan, len(audience), usual, plan.dry or plan.channel in self.channels)

    async def result(self, campaign_id: UUID) -> Result:
        """Compare the arms as drawn. Raises WrongState before the start."""
        campaign = await self.find(campaign_id)
        ends_at = campaign.outcome_ends_at()
        if campaign.started_at is None or ends_at is None:
            raise WrongState("the campaign has not started, there is nothing to compare")
        now = self.clock.now()
        figures = await results.outcome_of(
            self.database, campaign_id, campaign.started_at, min(ends_at, now), self.currency
        )
        treated, hold_out = (figures.get(arm.value, results.NOBODY) for arm in (Arm.TREATED, Arm.HOLD_OUT))
        drawn = await store.arm_counts(self.database, campaign_id)
        in_arms = drawn.get(Arm.TREATED.value, 0) + drawn.get(Arm.HOLD_OUT.value, 0)
        comparison = compare(
            treated,
            hold_out,
            holdout_share=campaign.plan.holdout_share,
            smallest_effect_share=campaign.plan.smallest_effect_share,
            is_window_over=now >= ends_at,
        )
        return Result(
            campaign=campaign,
            as_of=now,
            treated=treated,
            hold_out=hold_out,
            suppressed=drawn.get(Arm.SUPPRESSED.value, 0),
            merged=in_arms - treated.customers - hold_out.customers,
            comparison=comparison,
            activity=await results.activity_of(self.database, campaign_id),
        )


def _drawn(
    customer_id: UUID, plan: Plan, seed: bytes, said: Mapping[UUID, Sequence[Consent]], now: datetime
) -> Participant:
    """Suppress before the draw, so that both arms are of people who may be written to."""
    if not plan.dry and not may_be_sent(said.get(customer_id, ()), plan.channel):
        return Participant(customer_id, Arm.SUPPRESSED, "no_consent", now)
    return Participant(customer_id, draw(seed, customer_id, plan.holdout_share), None, now)


def _wrong_state(campaign: Campaign, action: Action) -> WrongState:
    may = ", ".join(allowed_actions(campaign.state)) or "nothing more"
    message = f"a campaign that is {campaign.state} cannot be told to {action}; it may be told to: {may}"
    detail: dict[str, Any] = {"code": "wrong_state", "message": message, "state": campaign.state.value}
    return WrongState(message, errors=[detail])


def _checked(plan: Plan, audience: int, usual: ArmFigures, has_channel: bool) -> Checked:  # noqa: FBT001
    hold_out = round(usual.customers * plan.holdout_share)
    treated = usual.customers - hold_out
    detectable = smallest_detectable(math.sqrt(usual.variance), treated, hold_out)
    share = detectable / usual.mean if usual.mean > 0 and math.isfinite(detectable) else None
    warnings = []
    if not has_channel:
        warnings.append(f"there is no server for the channel {plan.channel} here")
    if hold_out == 0:
        warnings.append("nobody would be held out: the effect cannot be measured")
    if share is None or share > plan.smallest_effect_share:
        warnings.append("too few customers: a difference that matters could not be told from chance")
    return Checked(
        audience=audience,
        suppressed=audience - usual.customers,
        hold_out=hold_out,
        treated=treated,
        usual_spend=usual.mean,
        usual_buyer_share=usual.share,
        smallest_detectable=detectable,
        smallest_detectable_share=share,
        worst_cost_minor=_worst_cost_minor(plan, treated),
        warnings=warnings,
    )


def _worst_cost_minor(plan: Plan, treated: int) -> int | None:
    """Return what the coupons cost if all are used; None where nothing bounds it."""
    offer = plan.offer
    if offer is None:
        return 0
    bounds = [] if offer.cap_total_discount_minor is None else [offer.cap_total_discount_minor]
    if offer.amount_minor is not None:
        uses = treated * offer.uses_per_code
        bounds.append(offer.amount_minor * min(uses, offer.cap_total_uses or uses))
    return min(bounds) if bounds else None
