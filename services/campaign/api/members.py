"""Routes of members and their points."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends, Response

from services.campaign.api.parts import PartsDep, Reader, answered_once
from services.campaign.domain.points import Kind
from services.campaign.handlers.points import membership_of
from services.campaign.schemas.members import AdjustmentBody, AdjustmentView, MemberView, PointsView
from shared.db import Transaction
from shared.errors import InvalidInput
from shared.http.body import Router
from shared.http.idempotency import IdempotentRequest, idempotent

router = Router(prefix="/v1", tags=["members"])

Once = Annotated[IdempotentRequest, Depends(idempotent("campaign:write"))]


@router.get("/members/{customer_id}", summary="A member's points, lots and tier")
async def member(customer_id: UUID, _: Reader, parts: PartsDep) -> MemberView:
    return MemberView.of(await membership_of(parts.database, customer_id, parts.clock.now()))


@router.post("/points/adjustments", summary="Give or take points by hand", response_model=AdjustmentView)
async def adjust(body: AdjustmentBody, once: Once, parts: PartsDep) -> Response:
    """Given points are a lot of their own and expire like others; more than there is cannot be taken (409)."""
    if body.points == 0 or (body.kind == "spent" and body.points > 0):
        raise InvalidInput("spent points are negative, and an adjustment of 0 is none", field="/points")

    async def apply(tx: Transaction) -> AdjustmentView:
        adjustment_id = uuid4()
        balance = await parts.points.adjust(
            tx,
            customer_id=body.customer_id,
            points=body.points,
            request_id=adjustment_id,
            kind=Kind.SPENT if body.kind == "spent" else Kind.ADJUSTED,
        )
        return AdjustmentView(
            adjustment_id=adjustment_id,
            customer_id=body.customer_id,
            points=body.points,
            balance=PointsView.of(balance),
        )

    response, _ = await answered_once(parts, once, apply)
    return response
