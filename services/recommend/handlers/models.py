"""Trained versions: which there are, which is in use, putting another into use, going back."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.recommend.errors import GateRefused, ModelNotFound, ModelUnreadable
from services.recommend.registry import GATE
from shared.registry import CorruptArtefactError, Manifest, Registry, RegistryError, UnknownVersionError, Verdict


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions on disk, newest first, and the one that is promoted."""

    manifests: Sequence[Manifest]
    current: str | None


def versions(registry: Registry) -> Versions:
    """Return what is on disk. Raises ModelUnreadable when a manifest is damaged."""
    try:
        return Versions(list(reversed(registry.versions())), registry.current())
    except RegistryError as error:
        raise ModelUnreadable(str(error)) from error


def promote(registry: Registry, version: str) -> Verdict:
    """Put a version into use through the gate. Raises ModelNotFound, ModelUnreadable, GateRefused."""
    try:
        verdict = registry.promote(version, GATE)
    except UnknownVersionError as error:
        raise ModelNotFound(str(error)) from error
    except CorruptArtefactError as error:
        raise ModelUnreadable(str(error)) from error
    except RegistryError as error:  # a name that no version can have
        raise ModelNotFound(str(error)) from error
    if not verdict.passed:
        raise GateRefused(verdict.reason)
    return verdict


def rollback(registry: Registry) -> str:
    """Return to the version before. Raises ModelNotFound, ModelUnreadable."""
    try:
        return registry.rollback()
    except UnknownVersionError as error:
        raise ModelNotFound(str(error)) from error
    except RegistryError as error:
        raise ModelUnreadable(str(error)) from error
