"""Which models there are and which is in use: the registry, without loading any model."""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from services.churn import rule
from services.churn.errors import ModelNotFound, ModelRefused, NothingToRollBackTo
from shared.registry import By, Manifest, Registry, RegistryError, UnknownVersionError, Verdict

FACTORS = "factors.json"
RULE_FACTORS = [{"family": "silence", "contribution": 1.0, "share": 1.0}]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Models:
    """All stored versions, newest first, and the one in use (None: the rule)."""

    manifests: list[Manifest]
    in_use: str | None


async def listed(registry: Registry) -> Models:
    manifests = await asyncio.to_thread(registry.versions)
    return Models(manifests[::-1], await asyncio.to_thread(registry.current))


async def in_use(registry: Registry) -> Manifest | None:
    """Return the manifest of the model in use; None while the rule is."""
    try:
        return (await asyncio.to_thread(registry.load)).manifest
    except UnknownVersionError:
        return None
    except RegistryError as error:
        raise ModelRefused(str(error)) from error


async def factors(registry: Registry) -> tuple[str, list[dict[str, Any]]]:
    """Return the version in use and each family's part in its scores."""
    try:
        stored = await asyncio.to_thread(registry.load)
    except UnknownVersionError:
        return rule.VERSION, RULE_FACTORS
    except RegistryError as error:
        raise ModelRefused(str(error)) from error
    return stored.manifest.version, json.loads(stored.files[FACTORS])


async def promote(registry: Registry, version: str, actor: str, now: datetime) -> str:
    """Put a stored version in use by hand, its files checked. Raises ModelNotFound, ModelRefused."""

    def by_hand(_candidate: Manifest, _in_use: Manifest | None) -> Verdict:
        return Verdict(passed=True, reason=f"by {actor}")

    try:
        await asyncio.to_thread(registry.promote, version, by_hand, By.of(actor, now))
    except UnknownVersionError as error:
        raise ModelNotFound("no model has this version; GET /v1/models lists them") from error
    except RegistryError as error:
        raise ModelRefused(str(error)) from error
    log.info("model.promoted", version=version, actor=actor)
    return version


async def roll_back(registry: Registry, actor: str, now: datetime) -> str:
    """Return to the model in use before. Raises NothingToRollBackTo, ModelRefused."""
    try:
        version = await asyncio.to_thread(registry.rollback, By.of(actor, now))
    except UnknownVersionError as error:
        raise NothingToRollBackTo("no earlier model was in use") from error
    except RegistryError as error:
        raise ModelRefused(str(error)) from error
    log.info("model.rolled_back", version=version, actor=actor)
    return version
