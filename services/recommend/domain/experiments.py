"""Owns what an experiment is, who takes part in it, and which variant they get: always the same one.

A person's place in a layer is a hash; an experiment takes a range of places, so two experiments of one layer never
share anybody. Which variant a person gets is another hash, so that neighbours in the layer are spread over all.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from uuid import UUID

from services.recommend.domain.diversity import Diversity
from services.recommend.domain.requests import Placement

PLACES = 10_000
"""Into how many places a layer is cut: the finest share of traffic is one of them."""
INTERLEAVED = "interleaved"
"""The variant's name in an answer that both variants made together."""


class Method(StrEnum):
    AB = "ab"
    INTERLEAVING = "interleaving"


class State(StrEnum):
    DRAFT = "draft"
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Switch:
    """What a variant changes of the shop's own decisions.

    `rules` False: none holds. Else the active ones without `rules_off`, and the drafts of `rules_on`.
    `exploration` says whether there is a slot for new products; None: as the placement is set.
    """

    rules: bool | None = None
    rules_on: tuple[UUID, ...] = ()
    rules_off: tuple[UUID, ...] = ()
    exploration: bool | None = None


NO_SWITCH = Switch()


@dataclass(frozen=True, slots=True)
class Treatment:
    """What a variant changes; None leaves what the request or the deployment says."""

    model_version: str | None = None
    diversity: Diversity | None = None
    exclude_purchased: str | None = None
    personalized: bool | None = None
    switch: Switch = NO_SWITCH


@dataclass(frozen=True, slots=True)
class Variant:
    """`weight` is relative to the other variants'."""

    name: str
    weight: int = 1
    treatment: Treatment = field(default_factory=Treatment)


@dataclass(frozen=True, slots=True)
class Experiment:
    """`places` is the range [first, end) of the layer's places that it holds while it runs; None before."""

    experiment_id: str
    about: str
    method: Method
    layer: str
    placements: frozenset[Placement]
    share: float
    variants: tuple[Variant, ...]
    attribution_days: int
    state: State = State.DRAFT
    places: tuple[int, int] | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None

    @property
    def model_versions(self) -> frozenset[str]:
        """The trained versions that must stay as long as it may run."""
        return frozenset(each.treatment.model_version for each in self.variants if each.treatment.model_version)

    @property
    def rule_ids(self) -> frozenset[UUID]:
        """The rules that its variants switch."""
        switches = [each.treatment.switch for each in self.variants]
        return frozenset(rule_id for each in switches for rule_id in (*each.rules_on, *each.rules_off))

    @property
    def explores(self) -> bool:
        """Whether a variant has a slot for new products of its own."""
        return any(each.treatment.switch.exploration for each in self.variants)

    @property
    def wanted_places(self) -> int:
        return max(1, round(self.share * PLACES))


def place_of(salt: str, unit: str, places: int = PLACES) -> int:
    """Return a place from 0 to `places` - 1, the same for ever, unrelated between salts."""
    digest = hashlib.blake2b(f"{salt}\x1f{unit}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % places


def takes_part(experiment: Experiment, unit: str) -> bool:
    if experiment.places is None:
        return False
    first, end = experiment.places
    return first <= place_of(f"layer/{experiment.layer}", unit) < end


def variant_of(experiment: Experiment, unit: str) -> Variant:
    """Return the variant of somebody who takes part, in proportion to the weights."""
    total = sum(variant.weight for variant in experiment.variants)
    place = place_of(f"variant/{experiment.experiment_id}", unit, total * PLACES) // PLACES
    for variant in experiment.variants[:-1]:
        place -= variant.weight
        if place < 0:
            return variant
    return experiment.variants[-1]


def experiment_for(running: Iterable[Experiment], placement: Placement, unit: str) -> Experiment | None:
    """Return the one experiment that a list takes part in; `start_faults` sees to it that there is one at most."""
    found = (each for each in running if placement in each.placements and takes_part(each, unit))
    return next(found, None)


def free_places(taken: Iterable[tuple[int, int]], wanted: int) -> tuple[int, int] | None:
    """Return the first free range of so many places in a layer; None where no gap is as wide."""
    first = 0
    for start, end in sorted(taken):
        if start - first >= wanted:
            break
        first = max(first, end)
    return (first, first + wanted) if first + wanted <= PLACES else None


def definition_faults(experiment: Experiment) -> dict[str, str]:
    """Return what is wrong with a definition, by the field at fault, each with its cure."""
    names = [variant.name for variant in experiment.variants]
    faults: dict[str, str] = {}
    if len(set(names)) < len(names):
        faults["variants"] = "two variants have the same name; give each its own"
    elif INTERLEAVED in names:
        faults["variants"] = f"{INTERLEAVED!r} is what both together are called; choose another name"
    elif experiment.method is Method.INTERLEAVING and len(names) != 2:
        faults["variants"] = "an interleaving compares exactly two variants"
    elif experiment.method is Method.INTERLEAVING and len({variant.weight for variant in experiment.variants}) > 1:
        faults["variants"] = "an interleaving gives both variants the same weight; leave it out"
    elif experiment.method is Method.INTERLEAVING and any(
        each.treatment.switch.exploration is not None for each in experiment.variants
    ):
        faults["variants"] = (
            "an interleaved list explores nothing, in neither variant; leave out exploration, or use ab"
        )
    elif any(_contradicts(each.treatment.switch) for each in experiment.variants):
        faults["variants"] = "a variant switches a rule on and off; name it once, and none beside rules: false"
    if not experiment.placements:
        faults["placements"] = "name at least one placement"
    return faults


def _contradicts(switch: Switch) -> bool:
    both = frozenset(switch.rules_on) & frozenset(switch.rules_off)
    return bool(both) or (switch.rules is False and bool(switch.rules_on or switch.rules_off))


def start_faults(experiment: Experiment, running: Sequence[Experiment]) -> dict[str, str]:
    """Return why it cannot run beside what runs: a list takes part in one experiment at most."""
    for other in running:
        shared = sorted(placement.value for placement in experiment.placements & other.placements)
        if shared and other.layer != experiment.layer:
            return {
                "layer": f"{other.experiment_id} runs on {', '.join(shared)} in layer {other.layer}; "
                "use that layer, where experiments share the traffic, or stop it"
            }
    taken = [other.places for other in running if other.layer == experiment.layer and other.places]
    if free_places(taken, experiment.wanted_places) is None:
        widest = widest_share(taken)
        return {"share": f"the layer has room for {widest:.4f} at most now; lower the share or stop another"}
    return {}


def widest_share(taken: Iterable[tuple[int, int]]) -> float:
    """Return the largest share of the traffic that one more experiment could have."""
    edges = [(0, 0), *sorted(taken), (PLACES, PLACES)]
    return max(after[0] - before[1] for before, after in pairwise(edges)) / PLACES


def expected_shares(experiment: Experiment) -> Mapping[str, float]:
    """Return the share of the people taking part that each variant should have."""
    total = sum(variant.weight for variant in experiment.variants)
    return {variant.name: variant.weight / total for variant in experiment.variants}
