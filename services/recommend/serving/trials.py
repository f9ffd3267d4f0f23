"""Owns which lists take part in experiments, and what a variant changes of a wish; replaced whole on a change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.recommend.domain.experiments import (
    INTERLEAVED,
    Experiment,
    Method,
    Treatment,
    experiment_for,
    variant_of,
)
from services.recommend.domain.requests import Placement


@dataclass(frozen=True, slots=True)
class Trial:
    """The experiment that one list takes part in, by whom, and the one treatment, or the two that are interleaved."""

    experiment_id: str
    variant: str
    unit: str
    treatments: tuple[Treatment, ...]


@dataclass(frozen=True, slots=True)
class Trials:
    """The experiments that run now."""

    running: Sequence[Experiment] = ()
    by_placement: Mapping[Placement, Sequence[Experiment]] = field(default_factory=dict)

    @classmethod
    def of(cls, running: Sequence[Experiment]) -> "Trials":
        placements = {placement for each in running for placement in each.placements}
        by_placement = {name: [each for each in running if name in each.placements] for name in placements}
        return cls(running, by_placement)

    @property
    def model_versions(self) -> frozenset[str]:
        return frozenset().union(*(each.model_versions for each in self.running))

    @property
    def explore(self) -> bool:
        return any(each.explores for each in self.running)

    def trial_of(self, placement: Placement, unit: str | None) -> Trial | None:
        """Return what a list for somebody takes part in; nobody known takes part in nothing."""
        here = self.by_placement.get(placement)
        if not here or unit is None:
            return None
        found = experiment_for(here, placement, unit)
        if found is None:
            return None
        if found.method is Method.INTERLEAVING:
            both = tuple(variant.treatment for variant in found.variants)
            return Trial(found.experiment_id, INTERLEAVED, unit, both)
        variant = variant_of(found, unit)
        return Trial(found.experiment_id, variant.name, unit, (variant.treatment,))
