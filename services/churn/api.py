"""The routes of the churn service: parse, call, map."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Response
from pydantic import TypeAdapter

from services.churn import rule
from services.churn.episodes import LEVEL_NAMES
from services.churn.errors import StoreNotServed
from services.churn.handlers import feedback, models, requests, standing
from services.churn.handlers.feedback import Answer
from services.churn.schemas import (
    CustomerChurnOut,
    EvaluationOut,
    FactorOut,
    FactorsOut,
    FeedbackIn,
    FigureOut,
    Language,
    LevelName,
    ModelInUseOut,
    ModelOut,
    ModelsOut,
    ScoreIn,
    ScoreRequestOut,
    WarningOut,
    language_of,
)
from services.churn.settings import Settings
from services.churn.store import warnings
from services.churn.store.warnings import ListFilter
from shared.clock import Clock
from shared.db import Database
from shared.http.auth import depends, requires
from shared.http.body import Router
from shared.http.pagination import (
    PAGE_SIZE_DEFAULT,
    Page,
    PageCursor,
    PageLimit,
    decode_cursor,
    next_cursor,
)
from shared.keys import EVERYTHING, Caller
from shared.registry import Metric, Registry

READ = depends(requires("churn:read"))
Reader = Annotated[Caller, Depends(requires("churn:read"))]
Writer = Annotated[Caller, Depends(requires("churn:write"))]
Admin = Annotated[Caller, Depends(requires("churn:admin"))]
ThingId = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]
StoreId = Annotated[
    str | None, Query(min_length=1, max_length=128, pattern=r"^[^\x00]+$", description="customers' usual store")
]

PLACE = TypeAdapter(tuple[float, UUID])

router = Router(prefix="/v1", tags=["churn"])


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry


async def _now(request: Request) -> datetime:
    clock: Clock = request.app.state.clock
    return clock.now()


async def _language(
    accept_language: Annotated[str | None, Header(description="of the reasons: en or zh")] = None,
) -> Language:
    return language_of(accept_language)


Db = Annotated[Database, Depends(_database)]
OfService = Annotated[Settings, Depends(_settings)]
OfModels = Annotated[Registry, Depends(_registry)]
Now = Annotated[datetime, Depends(_now)]
InLanguage = Annotated[Language, Depends(_language)]


@router.get("/customers/{customer_id}/churn", dependencies=[READ], summary="Where a customer stands, and why")
async def get_churn(
    customer_id: Annotated[UUID, Path(description="a customer, one of its subjects, or whom it absorbed")],
    database: Db,
    settings: OfService,
    now: Now,
    language: InLanguage,
) -> CustomerChurnOut:
    today = requests.today(now, settings.time_zone)
    found = await standing.standing_of(database, customer_id, today)
    return CustomerChurnOut.of(found, settings.currency, language)


@router.get("/warnings", summary="The work list: the most urgent warnings first")
async def list_warnings(  # noqa: PLR0913, PLR0917 (one argument a parameter of the route)
    caller: Reader,
    database: Db,
    settings: OfService,
    now: Now,
    language: InLanguage,
    level: Annotated[list[LevelName] | None, Query(description="any of these; all when not given")] = None,
    open: Annotated[bool | None, Query(description="open ones (not snoozed), closed ones; both: leave empty")] = True,  # noqa: A002, FBT002 (the parameter's name)
    store: StoreId = None,
    min_value_minor: Annotated[int, Query(ge=0, description="money at risk, minor units")] = 0,
    limit: PageLimit = PAGE_SIZE_DEFAULT,
    cursor: PageCursor = None,
) -> Page[WarningOut]:
    today = requests.today(now, settings.time_zone)
    wanted = ListFilter(
        levels=[LEVEL_NAMES.index(name) for name in sorted(set(level))] if level else None,
        is_open=open,
        store_ids=_stores(caller, store),
        value_min_minor=min_value_minor,
        awake_on=today if open else None,
    )
    filters = {"list": "warnings", **asdict(wanted), "awake_on": None}
    after = decode_cursor(cursor, filters, PLACE)
    async with database.session() as session:
        rows = await warnings.page(session, wanted, after, limit)
    last = (rows[-1]["urgency"], rows[-1]["warning_id"]) if rows else ()
    return Page(
        items=[WarningOut.of(row, language) for row in rows], next_cursor=next_cursor(rows, limit, last, filters)
    )


def _stores(caller: Caller, asked: str | None) -> list[str] | None:
    """Return the stores whose warnings may be shown: the one asked for, else all that the key is for."""
    if asked is not None:
        if not caller.serves_store(asked):
            raise StoreNotServed("this key is for other stores", field="store")
        return [asked]
    return None if EVERYTHING in caller.store_ids else sorted(caller.store_ids)


@router.post("/warnings/{warning_id}/feedback", summary="Answer a warning: useful, wrong, done or snooze")
async def give_feedback(  # noqa: PLR0913, PLR0917 (one argument a parameter of the route)
    warning_id: UUID,
    given: FeedbackIn,
    caller: Writer,
    database: Db,
    settings: OfService,
    now: Now,
    language: InLanguage,
) -> WarningOut:
    answer = Answer(given.verdict, given.note, given.snooze_days)
    today = requests.today(now, settings.time_zone)
    return WarningOut.of(await feedback.give(database, warning_id, answer, caller, now, today), language)


@router.post("/score", summary="Score all customers now; 202 when it takes longer than the API waits")
async def score(  # noqa: PLR0913, PLR0917 (one argument a parameter of the route)
    asked: ScoreIn, caller: Writer, database: Db, settings: OfService, now: Now, response: Response
) -> ScoreRequestOut:
    request_id = await requests.ask(database, asked.as_of, caller.actor, now, settings.time_zone)
    row = await requests.wait(database, request_id, settings.score_wait_seconds)
    if row["state"] == "pending":
        response.status_code = 202
    return ScoreRequestOut(**dict(row))


@router.get("/score/{request_id}", dependencies=[READ], summary="What came of a scoring that was asked for")
async def get_score_request(request_id: UUID, database: Db) -> ScoreRequestOut:
    return ScoreRequestOut(**dict(await requests.wait(database, request_id, 0)))


@router.get("/factors", dependencies=[READ], summary="What drives the scores overall, by family of evidence")
async def get_factors(registry: OfModels) -> FactorsOut:
    version, found = await models.factors(registry)
    return FactorsOut(model_version=version, factors=[FactorOut(**factor) for factor in found])


@router.get("/evaluation", dependencies=[READ], summary="How good the model in use was on held-out days")
async def get_evaluation(registry: OfModels) -> EvaluationOut:
    manifest = await models.in_use(registry)
    if manifest is None:
        return EvaluationOut(
            model_version=rule.VERSION, held_out_from=None, metrics={}, segments={}, gate_failures=[]
        )
    return EvaluationOut(
        model_version=manifest.version,
        held_out_from=date.fromisoformat(manifest.parameters["held_out_from"]),
        metrics={name: _figure(metric) for name, metric in manifest.metrics.items()},
        segments={
            segment: {name: _figure(metric) for name, metric in figures.items()}
            for segment, figures in manifest.segments.items()
        },
        gate_failures=manifest.parameters["gate"]["failures"],
    )


def _figure(metric: Metric) -> FigureOut:
    return FigureOut(value=metric.value, low=metric.low, high=metric.high)


@router.get("/models", dependencies=[READ], summary="The stored models, newest first")
async def list_models(registry: OfModels) -> ModelsOut:
    found = await models.listed(registry)
    return ModelsOut(
        model_in_use=found.in_use or rule.VERSION,
        models=[ModelOut.of(manifest, found.in_use) for manifest in found.manifests],
    )


@router.post("/models/{version}:promote", summary="Put a stored model in use, whatever the gate said")
async def promote_model(version: ThingId, caller: Admin, registry: OfModels, now: Now) -> ModelInUseOut:
    return ModelInUseOut(model_in_use=await models.promote(registry, version, caller.actor, now))


@router.post("/models:rollback", summary="Return to the model that was in use before")
async def roll_back_model(caller: Admin, registry: OfModels, now: Now) -> ModelInUseOut:
    return ModelInUseOut(model_in_use=await models.roll_back(registry, caller.actor, now))
