"""Routes of tills: qualifications, validations, redemptions, rollbacks, coupons."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from services.campaign import metrics
from services.campaign.api.parts import PartsDep, Reader, Till, answered_once
from services.campaign.errors import RedemptionRefused
from services.campaign.handlers.redemptions import Outcome
from services.campaign.schemas.redemptions import (
    CouponList,
    CouponView,
    QualificationBody,
    QualificationView,
    RedeemableView,
    RedemptionBody,
    RedemptionView,
    RollbackBody,
    RollbackView,
    ValidationView,
)
from shared.customers import customer_of
from shared.db import Transaction
from shared.http.body import Router
from shared.http.idempotency import IdempotentRequest, idempotent

router = Router(prefix="/v1", tags=["coupons"])

Once = Annotated[IdempotentRequest, Depends(idempotent("campaign:redeem"))]


@router.post("/qualifications", summary="Which of a customer's coupons apply to an order")
async def qualifications(body: QualificationBody, caller: Till, parts: PartsDep) -> QualificationView:
    outcome = await parts.redemptions.qualify(body.who(), body.order.to_domain(), caller)
    return QualificationView(redeemables=[RedeemableView.of(judged) for judged in outcome.judged])


@router.post("/validations", summary="What redeeming would do, without doing it")
async def validations(body: RedemptionBody, caller: Till, parts: PartsDep) -> ValidationView:
    return ValidationView.of(await parts.redemptions.validate(body.to_basket(), caller))


@router.post(
    "/redemptions",
    summary="Redeem coupons, all or none, exactly once",
    response_model=RedemptionView,
    responses={409: {"description": "Refused; `code` says why and `errors` has an item per coupon."}},
)
async def redemptions(body: RedemptionBody, once: Once, parts: PartsDep) -> Response:
    """Repeat with the same `Idempotency-Key` until there is an answer: there is one effect and one answer.

    Keys are kept for 90 days. A refusal takes nothing, and the same key may be used again after it.
    """
    basket = body.to_basket()
    customer_id = await parts.customers.find(parts.database, basket.who)
    outcomes: list[Outcome] = []

    async def redeem(tx: Transaction) -> RedemptionView:
        outcomes.append(await parts.redemptions.redeem(tx, basket, customer_id, once.caller))
        return RedemptionView.of(outcomes[-1])

    try:
        response, is_replay = await answered_once(parts, once, redeem)
    except RedemptionRefused as refused:
        metrics.REDEMPTIONS.labels(refused.code).inc()
        raise
    if not is_replay:
        metrics.REDEMPTIONS.labels("applied").inc()
        metrics.DISCOUNT.labels(basket.order.currency).inc(outcomes[-1].discount_minor)
    return response


@router.post(
    "/redemptions/{redemption_id}/rollbacks",
    summary="Take a redemption back, once; its caps are given back",
    response_model=RollbackView,
)
async def rollbacks(redemption_id: UUID, once: Once, parts: PartsDep, body: RollbackBody | None = None) -> Response:
    reason = body.reason if body is not None else None

    async def roll_back(tx: Transaction) -> RollbackView:
        return RollbackView.of(await parts.redemptions.roll_back(tx, redemption_id, reason, once.caller))

    response, is_replay = await answered_once(parts, once, roll_back)
    if not is_replay:
        metrics.ROLLBACKS.inc()
    return response


@router.get("/coupons", summary="A customer's newest 500 coupons, the newest first")
async def coupons(customer_id: UUID, _: Reader, parts: PartsDep) -> CouponList:
    now = parts.clock.now()
    found = await parts.redemptions.coupons_of(await customer_of(parts.database, customer_id))
    return CouponList(items=[CouponView.of(coupon, issued_at, now) for coupon, issued_at in found])
