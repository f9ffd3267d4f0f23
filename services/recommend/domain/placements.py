"""Owns what is decided for a placement as a whole: substitutes, frequency cap, exploration."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from services.recommend.domain.capping import FrequencyCap
from services.recommend.domain.exploration import Exploration
from services.recommend.domain.requests import Placement

SUBSTITUTED = frozenset({Placement.FOR_YOU, Placement.BUY_AGAIN})
"""Where an own product that the store has none of gives its place to a substitute."""


@dataclass(frozen=True, slots=True)
class PlacementSettings:
    """How one placement's lists are made. Cap and exploration are off until somebody wants them.

    A cap without a measure of what was really looked at can hide what people like; exploration costs a place.
    """

    substitutes: bool = True
    frequency_cap: FrequencyCap | None = None
    exploration: Exploration | None = None


DEFAULTS: Mapping[Placement, PlacementSettings] = {placement: PlacementSettings() for placement in Placement}


def settings_of(values: Mapping[str, Any]) -> PlacementSettings:
    """Read settings from plain values; what they do not say is the default."""
    cap, explore = values.get("frequency_cap"), values.get("exploration")
    return PlacementSettings(
        substitutes=values.get("substitutes", True),
        frequency_cap=None if cap is None else FrequencyCap(**cap),
        exploration=None if explore is None else Exploration(**explore),
    )


def plain_settings(settings: PlacementSettings) -> dict[str, Any]:
    """Return settings as plain values, all of them."""
    return asdict(settings)
