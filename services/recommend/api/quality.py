"""The route of quality: how good the lists of each day were, and what got worse."""

from datetime import date, timedelta
from typing import Annotated, Literal

from fastapi import Query, Request
from pydantic import Field

from services.recommend.api.dependencies import READ, AtDesk, Db, Now
from services.recommend.domain.requests import EARLIEST, LATEST, Placement
from services.recommend.handlers import quality
from services.recommend.schemas.quality import AlertOut, QualityDayOut, QualityNowOut, QualityOut
from shared.http.body import Router

router = Router(prefix="/v1", tags=["quality"])
Day = Annotated[date, Field(ge=EARLIEST.date(), lt=LATEST.date())]
Group = Literal["all", "heavy", "light", "new", "anonymous"]


@router.get(
    "/quality", dependencies=[READ], summary="How good the lists of each day were, by placement and customers"
)
async def recommendation_quality(  # noqa: PLR0913, PLR0917 - the parameters of the route
    request: Request,
    database: Db,
    desk: AtDesk,
    now: Now,
    since: Annotated[Day | None, Query(alias="from", description="first day; four weeks before `until`")] = None,
    until: Annotated[Day | None, Query(description="last day; today where not given")] = None,
    placement: Annotated[Placement | None, Query()] = None,
    group: Annotated[Group, Query(description="of customers")] = "all",
) -> QualityOut:
    measuring: quality.Measuring = request.app.state.measuring
    asked = quality.Asked(since, until, placement.value if placement else None, group)
    found = await quality.report(database, measuring.day_of(now), asked)
    present = desk.live.now
    version = present.recommender.model_version
    return QualityOut(
        window_days=measuring.window_days,
        now=QualityNowOut(
            model_version=version,
            model_age_days=quality.model_age_days(version, now),
            shelf_age_s=None if present.as_of is None else (now - present.as_of) / timedelta(seconds=1),
        ),
        alerts=[AlertOut.of(name, alert) for name, worse in found.alerts.items() for alert in worse],
        days=[QualityDayOut.of(row) for row in found.rows],
    )
