"""The routes of merchandisers: rules, what they would do, who changed them, and the settings of placements."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends, Path, Query, Response

from services.recommend.api.dependencies import AtDesk, Db, Now, Spoken
from services.recommend.api.lists import place_of, placement_named
from services.recommend.api.placements import placement_out
from services.recommend.api.rendering import preview_json
from services.recommend.domain.rules import Rule
from services.recommend.errors import InvalidQuestion, InvalidRule
from services.recommend.handlers import offers, preview, rules
from services.recommend.handlers.offers import Discounts
from services.recommend.schemas.asking import Moment
from services.recommend.schemas.offers import DiscountsOut, OffersReportOut
from services.recommend.schemas.placements import PlacementOut, PlacementSettingsIn
from services.recommend.schemas.rules import (
    ChangeOut,
    HistoryOut,
    PreviewIn,
    PreviewOut,
    RuleChangeIn,
    RuleIn,
    RuleOut,
    RulesOut,
)
from shared.http.auth import depends, requires
from shared.http.body import Router
from shared.keys import Caller

READ = depends(requires("recommend:read"))
Reader = Annotated[Caller, Depends(requires("recommend:read"))]
Writer = Annotated[Caller, Depends(requires("recommend:write"))]
PlacementName = Annotated[str, Path(min_length=1, max_length=64)]

REPORT_DAYS_MAX = 92
Since = Annotated[Moment | None, Query(description="28 days before `until` where not given")]
Until = Annotated[Moment | None, Query(description="excluded; now where not given")]

router = Router(prefix="/v1", tags=["rules"])


@router.get("/rules", dependencies=[READ], summary="All rules, in order of creation")
async def list_rules(database: Db) -> RulesOut:
    return RulesOut(rules=[RuleOut.of(kept) for kept in await rules.everything(database)])


@router.post("/rules", status_code=201, summary="Write a rule; it touches lists once its state is active")
async def create_rule(asked: RuleIn, caller: Writer, database: Db, now: Now, desk: AtDesk) -> RuleOut:
    definition = asked.definition()
    state = definition.pop("state", "draft")
    kept = await rules.create(database, caller, state, definition, now)
    await desk.follow_policy()
    return RuleOut.of(kept)


@router.post(
    "/rules:preview", response_model=PreviewOut, summary="What rules would do to a list: a dry run, shown to nobody"
)
async def preview_rules(asked: PreviewIn, caller: Reader, database: Db, desk: AtDesk, language: Spoken) -> Response:
    request = asked.request
    place = place_of(request.context, caller, language)
    wish = request.wish_for(asked.placement, request.context.items)
    tried = [_tried(number, rule) for number, rule in enumerate(asked.rules)]
    kept = [(await rules.one(database, rule_id)).rule for rule_id in asked.rule_ids]
    shown = await preview.preview(desk, request.person(), place, wish, [*kept, *tried])
    return Response(preview_json(shown, desk.live.now.listed, request.include), media_type="application/json")


def _tried(number: int, rule: RuleIn) -> Rule:
    definition = rule.definition()
    definition.pop("state", None)
    try:
        return rules.checked(uuid4(), "draft", definition)
    except InvalidRule as invalid:
        raise InvalidRule(invalid.message, field=f"/rules/{number}{invalid.field}") from invalid


@router.get("/rules/{rule_id}", dependencies=[READ], summary="One rule")
async def get_rule(rule_id: UUID, database: Db) -> RuleOut:
    return RuleOut.of(await rules.one(database, rule_id))


@router.patch("/rules/{rule_id}", summary="Change what is given; null takes a part away")
async def change_rule(  # noqa: PLR0913, PLR0917 - what the request names, and what it needs
    rule_id: UUID, asked: RuleChangeIn, caller: Writer, database: Db, now: Now, desk: AtDesk
) -> RuleOut:
    kept = await rules.change(database, caller, rule_id, asked.changes(), now)
    await desk.follow_policy()
    return RuleOut.of(kept)


@router.delete("/rules/{rule_id}", status_code=204, summary="Take a rule away; its history stays")
async def delete_rule(rule_id: UUID, caller: Writer, database: Db, now: Now, desk: AtDesk) -> Response:
    await rules.delete(database, caller, rule_id, now)
    await desk.follow_policy()
    return Response(status_code=204)


@router.get("/rules/{rule_id}/history", dependencies=[READ], summary="Who changed a rule, when, from what to what")
async def rule_history(rule_id: UUID, database: Db) -> HistoryOut:
    changes = await rules.history(database, "rule", str(rule_id))
    return HistoryOut(changes=[ChangeOut.of(change) for change in changes])


@router.patch("/placements/{placement}", summary="Change how a placement's lists are made")
async def change_placement(  # noqa: PLR0913, PLR0917 - what the request names, and what it needs
    placement: PlacementName,
    asked: PlacementSettingsIn,
    caller: Writer,
    database: Db,
    now: Now,
    desk: AtDesk,
) -> PlacementOut:
    chosen = placement_named(placement)
    changes = asked.model_dump(exclude_unset=True)
    settings = await rules.set_placement(database, caller, chosen, changes, now)
    await desk.follow_policy()
    return placement_out(chosen, settings)


@router.get(
    "/placements/{placement}/history",
    dependencies=[READ],
    summary="Who changed a placement, when, from what to what",
)
async def placement_history(placement: PlacementName, database: Db) -> HistoryOut:
    changes = await rules.history(database, "placement", placement_named(placement).value)
    return HistoryOut(changes=[ChangeOut.of(change) for change in changes])


@router.get(
    "/offers/report", dependencies=[READ], summary="Who got how much off: by how often they buy, by segment, by store"
)
async def offers_report(database: Db, now: Now, since: Since = None, until: Until = None) -> OffersReportOut:
    end = until or now
    start = since or end - timedelta(days=28)
    if not timedelta(0) < end - start <= timedelta(days=REPORT_DAYS_MAX):
        raise InvalidQuestion(f"since must be before until, by at most {REPORT_DAYS_MAX} days", field="since")
    found = await offers.report(database, start, end)
    return OffersReportOut(since=start, until=end, groups=[_discounts(each) for each in found])


def _discounts(each: Discounts) -> DiscountsOut:
    per_customer = each.discount_minor // max(each.customers, 1)
    return DiscountsOut(**asdict(each), discount_per_customer_minor=per_customer)
