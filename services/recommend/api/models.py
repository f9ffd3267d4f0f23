"""The routes of trained versions: which there are, one put into use or into the shadow, going back."""

import asyncio

from services.recommend.api.dependencies import ADMIN, READ, Admin, AtDesk, Db, Models, Now, ThingId
from services.recommend.handlers import models
from services.recommend.schemas.models import (
    CHANGES_SHOWN,
    ChangeOut,
    ModelOut,
    ModelsOut,
    PromotedOut,
    RollbackIn,
    ShadowedOut,
    ShadowIn,
    ShadowOut,
    TrainingOut,
)
from shared.http.body import Router
from shared.registry import By

router = Router(prefix="/v1", tags=["recommend"])


@router.get("/models", dependencies=[READ], summary="The trained versions, and which is in use")
async def list_models(registry: Models, database: Db, desk: AtDesk) -> ModelsOut:
    found = await asyncio.to_thread(models.versions, registry)
    standing = await models.standing(database)
    return ModelsOut(
        serving=desk.live.now.recommender.model_version,
        training=TrainingOut.of(standing.training),
        models=[
            ModelOut.of(manifest, found.current, ShadowOut.of(manifest.version, standing))
            for manifest in found.manifests
        ],
        changes=[ChangeOut.of(each) for each in found.changes[:CHANGES_SHOWN]],
    )


@router.post("/models/{version}:promote", summary="Put a version into use, if it is no worse")
async def promote_model(version: ThingId, caller: Admin, registry: Models, desk: AtDesk, now: Now) -> PromotedOut:
    verdict = await asyncio.to_thread(models.promote, registry, version, By.of(caller.actor, now))
    await desk.live.check_model()
    return PromotedOut(version=version, reason=verdict.reason)


@router.post("/models:rollback", summary="Return to the version before")
async def roll_back_model(
    caller: Admin, registry: Models, desk: AtDesk, now: Now, asked: RollbackIn | None = None
) -> PromotedOut:
    leaving = None if asked is None else asked.leaving
    version = await asyncio.to_thread(models.rollback, registry, By.of(caller.actor, now), leaving)
    await desk.live.check_model()
    return PromotedOut(version=version, reason="rolled back")


@router.post("/models/{version}:shadow", summary="Let a version answer a share of the lists once more, for nobody")
async def shadow_model(  # noqa: PLR0913, PLR0917 - what the route is given by its dependencies
    version: ThingId, asked: ShadowIn, caller: Admin, registry: Models, database: Db, now: Now
) -> ShadowedOut:
    await models.put_into_shadow(database, registry, version, asked.share, caller.actor, now)
    return ShadowedOut(version=version, share=asked.share)


@router.post("/models/{version}:unshadow", dependencies=[ADMIN], summary="Let a version answer nothing more")
async def unshadow_model(version: ThingId, database: Db) -> ShadowedOut:
    await models.take_out_of_shadow(database, version)
    return ShadowedOut(version=version, share=0.0)
