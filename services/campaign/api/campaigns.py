"""Routes of /v1/campaigns."""

from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from services.campaign.api.parts import Approver, Parts, PartsDep, Reader, Writer
from services.campaign.domain.campaigns import Action, Campaign
from services.campaign.schemas.campaigns import CampaignPlan, CampaignView, CheckView, ResultView
from services.campaign.store.campaigns import arm_counts, list_campaigns, plan_document
from shared.http.body import Router
from shared.http.pagination import Page, PageCursor, PageLimit, decode_cursor, next_cursor

router = Router(prefix="/v1/campaigns", tags=["campaigns"])

_POSITION = TypeAdapter(tuple[datetime, UUID])


@router.post("", status_code=201, summary="Plan a campaign")
async def plan(body: CampaignPlan, caller: Writer, parts: PartsDep) -> CampaignView:
    """Store a draft. Nothing happens before it is approved and started."""
    return _view(await parts.campaigns.plan(body.to_domain(), caller.actor))


@router.get("", summary="List campaigns, the newest first")
async def campaigns(
    _: Reader, parts: PartsDep, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[CampaignView]:
    found = await list_campaigns(parts.database, decode_cursor(cursor, {}, _POSITION), limit)
    last = (found[-1].created_at, found[-1].campaign_id) if found else ()
    return Page(items=[_view(campaign) for campaign in found], next_cursor=next_cursor(found, limit, last, {}))


@router.get("/{campaign_id}", summary="Read one campaign")
async def campaign(campaign_id: UUID, _: Reader, parts: PartsDep) -> CampaignView:
    return await _counted(parts, await parts.campaigns.find(campaign_id))


@router.post("/{campaign_id}:check", summary="Say what would happen if it started now")
async def check(campaign_id: UUID, _: Reader, parts: PartsDep) -> CheckView:
    """Count the audience, the suppressed and the hold-out, and the smallest effect that could be measured."""
    return CheckView.of(await parts.campaigns.check(campaign_id), parts.currency)


@router.post("/{campaign_id}:approve", summary="Approve; the plan is fixed from here on")
async def approve(campaign_id: UUID, caller: Approver, parts: PartsDep) -> CampaignView:
    return await _act(parts, campaign_id, Action.APPROVE, caller.actor)


@router.post("/{campaign_id}:start", summary="Freeze the audience, draw the hold-out, begin to send")
async def start(campaign_id: UUID, caller: Approver, parts: PartsDep) -> CampaignView:
    """Start an approved campaign, or go on with a paused one. Starting again changes nothing."""
    return await _act(parts, campaign_id, Action.START, caller.actor)


@router.post("/{campaign_id}:pause", summary="Send nothing more for now")
async def pause(campaign_id: UUID, caller: Approver, parts: PartsDep) -> CampaignView:
    return await _act(parts, campaign_id, Action.PAUSE, caller.actor)


@router.post("/{campaign_id}:stop", summary="Send nothing more; coupons that were sent stay valid")
async def stop(campaign_id: UUID, caller: Approver, parts: PartsDep) -> CampaignView:
    return await _act(parts, campaign_id, Action.STOP, caller.actor)


@router.get("/{campaign_id}/result", summary="Compare treated with hold-out")
async def result(campaign_id: UUID, _: Reader, parts: PartsDep) -> ResultView:
    return ResultView.of(await parts.campaigns.result(campaign_id), parts.currency)


async def _act(parts: Parts, campaign_id: UUID, action: Action, actor: str) -> CampaignView:
    return await _counted(parts, await parts.campaigns.act(campaign_id, action, actor))


async def _counted(parts: Parts, campaign: Campaign) -> CampaignView:
    if campaign.started_at is None:
        return _view(campaign)
    return _view(campaign, dict(await arm_counts(parts.database, campaign.campaign_id)))


def _view(campaign: Campaign, arms: dict[str, int] | None = None) -> CampaignView:
    return CampaignView.of(campaign, plan_document(campaign.plan), arms)
