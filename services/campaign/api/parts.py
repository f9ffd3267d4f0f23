"""What routes find on the application."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response
from pydantic import BaseModel

from services.campaign.handlers.campaigns import Campaigns
from services.campaign.handlers.customers import Customers
from services.campaign.handlers.points import Points
from services.campaign.handlers.redemptions import Redemptions
from shared.clock import Clock
from shared.db import Database, Transaction
from shared.http.auth import requires
from shared.http.idempotency import Answer, IdempotentRequest, run_once
from shared.keys import Caller


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that routes need, opened by the lifespan."""

    database: Database
    clock: Clock
    currency: str
    campaigns: Campaigns
    redemptions: Redemptions
    customers: Customers
    points: Points


async def parts_of(request: Request) -> Parts:
    found: Parts = request.app.state.parts
    return found


PartsDep = Annotated[Parts, Depends(parts_of)]
Reader = Annotated[Caller, Depends(requires("campaign:read"))]
Writer = Annotated[Caller, Depends(requires("campaign:write"))]
Approver = Annotated[Caller, Depends(requires("campaign:approve"))]
Till = Annotated[Caller, Depends(requires("campaign:redeem"))]


async def answered_once(
    parts: Parts, request: IdempotentRequest, effect: Callable[[Transaction], Awaitable[BaseModel]]
) -> tuple[Response, bool]:
    """Run an effect and store its answer in one transaction; return the answer, and whether it is a replay."""
    async with parts.database.transaction() as tx:

        async def answer() -> Answer:
            return Answer.of(await effect(tx))

        answered = await run_once(tx, request, answer, now=parts.clock.now())
    return answered.response(), answered.replayed
