"""What the routes are given: who asks, in which language, the desk, the database, the versions and the time."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request

from services.recommend.domain.reasons import Language
from services.recommend.domain.requests import MAX_LIMIT
from services.recommend.handlers.answers import Desk
from services.recommend.serving.languages import preferred
from shared.clock import Clock
from shared.db import Database
from shared.http.auth import depends, requires
from shared.keys import Caller
from shared.registry import Registry

READS = requires("recommend:read")
READ = depends(READS)
ADMIN = depends(requires("recommend:admin"))
Reader = Annotated[Caller, Depends(requires("recommend:read"))]
Admin = Annotated[Caller, Depends(requires("recommend:admin"))]
PlacementName = Annotated[str, Path(min_length=1, max_length=64)]
ThingId = Annotated[str, Path(min_length=1, max_length=128)]
Count = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


async def the_desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry


async def _now(request: Request) -> datetime:
    clock: Clock = request.app.state.clock
    return clock.now()


async def _language(accept_language: Annotated[str, Header()] = "") -> Language:
    return preferred(accept_language)


AtDesk = Annotated[Desk, Depends(the_desk)]
Db = Annotated[Database, Depends(_database)]
Models = Annotated[Registry, Depends(_registry)]
Now = Annotated[datetime, Depends(_now)]
Spoken = Annotated[Language, Depends(_language)]
