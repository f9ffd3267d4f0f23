"""The routes of experiments: define, start, stop, and what they have shown."""

from typing import Annotated

from fastapi import Depends, Path

from services.recommend.api.dependencies import Db, Models, Now
from services.recommend.handlers import experiments
from services.recommend.schemas.experiments import (
    ExperimentIn,
    ExperimentResultOut,
    ExperimentsOut,
    ExperimentStateOut,
)
from shared.http.auth import depends, requires
from shared.http.body import Router
from shared.keys import Caller

READ = depends(requires("recommend:read"))
WRITE = depends(requires("recommend:write"))
Writer = Annotated[Caller, Depends(requires("recommend:write"))]
ExperimentId = Annotated[str, Path(min_length=1, max_length=64)]

router = Router(prefix="/v1", tags=["experiments"])


@router.post("/experiments", status_code=201, summary="Define an experiment; nobody takes part before it is started")
async def create_experiment(
    asked: ExperimentIn, caller: Writer, database: Db, registry: Models, now: Now
) -> ExperimentStateOut:
    return ExperimentStateOut.of(await experiments.create(database, registry, asked.experiment(now), caller.actor))


@router.get("/experiments", dependencies=[READ], summary="All experiments, the newest first")
async def list_experiments(database: Db) -> ExperimentsOut:
    return ExperimentsOut(
        experiments=[ExperimentStateOut.of(each) for each in await experiments.everything(database)]
    )


@router.get(
    "/experiments/{experiment_id}", dependencies=[READ], summary="One experiment and what it has shown so far"
)
async def experiment_result(experiment_id: ExperimentId, database: Db) -> ExperimentResultOut:
    return ExperimentResultOut.of_result(await experiments.result(database, experiment_id))


@router.post("/experiments/{experiment_id}:start", dependencies=[WRITE], summary="Let it take part from now on")
async def start_experiment(
    experiment_id: ExperimentId, database: Db, registry: Models, now: Now
) -> ExperimentStateOut:
    return ExperimentStateOut.of(await experiments.start(database, registry, experiment_id, now))


@router.post("/experiments/{experiment_id}:stop", dependencies=[WRITE], summary="Let nobody take part from now on")
async def stop_experiment(experiment_id: ExperimentId, database: Db, now: Now) -> ExperimentStateOut:
    return ExperimentStateOut.of(await experiments.stop(database, experiment_id, now))
