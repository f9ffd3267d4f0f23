"""Trained versions: which there are, which is in use, putting another into use, going back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.recommend import registry as own
from services.recommend.errors import GateRefused, ModelChanged, ModelNotFound, ModelUnreadable
from services.recommend.store import experiments
from services.recommend.store import models as store
from services.recommend.store.models import ShadowRow, ShadowSums, Training
from shared.db import Database
from shared.errors import TransientError
from shared.registry import (
    By,
    Change,
    ChangedMeanwhileError,
    CorruptArtefactError,
    Manifest,
    Registry,
    RegistryError,
    UnknownVersionError,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions on disk, newest first, the one that is promoted, and how that came, the latest first."""

    manifests: Sequence[Manifest]
    current: str | None
    changes: Sequence[Change] = ()


def versions(registry: Registry) -> Versions:
    """Return what is on disk. Raises ModelUnreadable when a manifest is damaged."""
    try:
        return Versions(registry.versions()[::-1], registry.current(), registry.changes()[::-1])
    except RegistryError as error:
        raise ModelUnreadable(str(error)) from error


def promote(registry: Registry, version: str, by: By) -> Verdict:
    """Put a version into use through the gate. Raises ModelNotFound, ModelUnreadable, GateRefused."""
    try:
        verdict = own.promote(registry, version, by)
    except UnknownVersionError as error:
        raise ModelNotFound(str(error)) from error
    except CorruptArtefactError as error:
        raise ModelUnreadable(str(error)) from error
    except RegistryError as error:  # a name that no version can have
        raise ModelNotFound(str(error)) from error
    if not verdict.passed:
        raise GateRefused(verdict.reason)
    return verdict


def rollback(registry: Registry, by: By, leaving: str | None = None) -> str:
    """Return to the version before; nothing is done where `leaving` is not in use any more.

    Raises ModelNotFound, ModelUnreadable, ModelChanged.
    """
    try:
        return registry.rollback(by, leaving)
    except ChangedMeanwhileError as error:
        raise ModelChanged(str(error), field="/leaving") from error
    except UnknownVersionError as error:
        raise ModelNotFound(str(error)) from error
    except RegistryError as error:
        raise ModelUnreadable(str(error)) from error


@dataclass(frozen=True, slots=True)
class Standing:
    """What goes on besides serving: the last nightly training, the version in the shadow, and what shadows found."""

    training: Training | None
    shadow: ShadowRow | None
    found: Mapping[str, ShadowSums]


async def standing(database: Database) -> Standing:
    """Return what is known; nothing while the database is away, since versions are files."""
    try:
        async with database.session() as session:
            return Standing(
                await store.last_training(session), await store.shadow(session), await store.shadow_sums(session)
            )
    except TransientError:
        return Standing(None, None, {})


async def put_into_shadow(  # noqa: PLR0913, PLR0917 - which version, how much, who and when
    database: Database, registry: Registry, version: str, share: float, actor: str, now: datetime
) -> None:
    """Let a version answer a share of the lists once more, for nobody, in place of any other that does.

    Raises ModelNotFound.
    """
    async with database.transaction() as tx:
        # A training that ends now drops no version that somebody is about to need.
        await experiments.only_one_changes(tx)
        if version not in {manifest.version for manifest in versions(registry).manifests}:
            raise ModelNotFound(f"there is no version {version}")
        await store.set_shadow(tx, version, share, actor, now)


async def take_out_of_shadow(database: Database, version: str) -> None:
    """End it. Raises ModelNotFound where it is not in the shadow."""
    async with database.session() as session:
        if not await store.end_shadow(session, version):
            raise ModelNotFound("this version is not in the shadow; GET /v1/models says which is")
