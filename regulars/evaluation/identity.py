"""Owns `evaluate identity`: ingest's own linking on made-up contact data of real households, judged pairwise."""

import resource
import statistics
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import polars as pl

from regulars.datasets import completejourney
from regulars.evaluation.identity_world import START, Household, Record, World, make_world
from regulars.evaluation.progress import Progress
from services.ingest.domain.identifiers import Identifier, identify
from services.ingest.domain.linking import Community
from services.ingest.domain.links import KnownSubject, Said, bearer
from services.ingest.domain.marks import Marks, are_same
from services.ingest.domain.objections import is_contested
from services.ingest.domain.policy import RULE_VERSION, Policy, is_somebody_elses
from shared.identity import BlindIndexKeys, derive_key

Report = dict[str, Any]
Clusters = Sequence[Hashable]

CHOOSING_SEEDS = (1, 2, 3, 4, 5, 11, 12, 13, 14, 15)
"""Rules were chosen by these; they are scored on others."""
SCORING_SEEDS = tuple(range(301, 311))
TARGETS = {"precision": 0.999, "recall": 0.98}
REGION = "CN"
_EVENTS = UUID("00000000-0000-5000-8000-000000000009")
_KEYS = BlindIndexKeys.from_deployment_key(bytes(range(32)))
_MARKS_KEY = derive_key(bytes(range(32)), "marks")
# Student's t, 97.5 %, by degrees of freedom.
_T = {4: 2.776, 9: 2.262}


@dataclass
class Door:
    """What ingest does with one record after the other: subjects, generations, links, whose the record is."""

    policy: Policy = field(default_factory=Policy)
    community: Community = field(default_factory=lambda: Community({}, {}))
    generations: dict[tuple[str, bytes], int] = field(default_factory=dict)
    last_seen_at: dict[UUID, datetime] = field(default_factory=dict)
    registrations: set[UUID] = field(default_factory=set)
    reads_names: bool = True

    def take(self, number: int, record: Record) -> UUID | None:
        """Link what the record says; return its subject, None for a guest's."""
        pairs = [(namespace, value, "") for namespace, value in record.identifiers]
        identifiers = identify(_KEYS, pairs, REGION).identifiers
        subject_ids = [self._subject(one) for one in identifiers]
        for place, one in enumerate(identifiers):
            if place and self._changed_hands(one, subject_ids, subject_ids[place], record):
                self.generations[one.namespace, one.blind_index] = self._generation(one) + 1
                subject_ids[place] = self._subject(one)
        for subject_id, one in zip(subject_ids, identifiers, strict=True):
            self._know(subject_id, one, record.at, is_alone=len(identifiers) == 1)
        held = {one for one in subject_ids if self.community.known[one].is_held and record.is_receipt}
        doubtful = self._doubtful(subject_ids, record)
        event_id = uuid5(_EVENTS, str(number))
        if not record.is_receipt:
            self.registrations.add(event_id)
        if subject_ids:
            self.community.unite(subject_ids, Said(event_id, record.at), self._marks(record))
        return bearer(subject_ids, held, doubtful)

    def _doubtful(self, subject_ids: Sequence[UUID], record: Record) -> set[UUID]:
        """Return what `handlers.bearing` finds: devices, what several cards claim, cards that nobody registered."""
        known = self.community.known
        kinds = {one: known[one].namespace for one in subject_ids}
        devices = {one for one in subject_ids if known[one].is_device}
        if len(subject_ids) == len(devices) + 1:
            return devices
        cards = {one for one, kind in kinds.items() if kind == "loyalty_card" and record.is_receipt}
        unregistered = {one for one in cards if not self._is_registered(one)}
        return devices | unregistered | {one for one in subject_ids if is_contested(self.community, one)}

    def _is_registered(self, card: UUID) -> bool:
        links = (self.community.links[pair] for pair in self.community.pairs_of(card))
        return any(link.said.event_id in self.registrations for link in links)

    def _generation(self, one: Identifier) -> int:
        return self.generations.get((one.namespace, one.blind_index), 0)

    def _subject(self, one: Identifier) -> UUID:
        return one.subject_id(self._generation(one))

    def _changed_hands(self, one: Identifier, subject_ids: Sequence[UUID], subject_id: UUID, record: Record) -> bool:
        seen_at = self.last_seen_at.get(subject_id)
        if seen_at is None or not self.policy.is_stale(one.namespace, seen_at, record.at):
            return False
        marks = self._marks(record)
        holder = self.community.customer(subject_id)
        told = [*self.community.marks_of(subject_id), *self.community.marks_of(holder)]
        if marks is not None and are_same([marks], told):
            return False
        free = [other for other in subject_ids if other != subject_id and not self._is_held(other)]
        if not free:
            return False
        others = [self.community.customer(other) for other in free]
        return is_somebody_elses(subject_id, self.community.customer(subject_id), others)

    def _marks(self, record: Record) -> Marks | None:
        told = record.told
        return Marks.of(_MARKS_KEY, told.given_name, told.birthday) if self.reads_names else None

    def _is_held(self, subject_id: UUID) -> bool:
        known = self.community.known.get(subject_id)
        return known is not None and known.is_held

    def _know(self, subject_id: UUID, one: Identifier, at: datetime, *, is_alone: bool) -> None:
        if subject_id not in self.community.known:
            self.community.meet(KnownSubject(subject_id, one.namespace, at))
            self.last_seen_at[subject_id] = at
        elif self.policy.stays_fresh(one.namespace, self.last_seen_at[subject_id], at, is_alone=is_alone):
            self.last_seen_at[subject_id] = at


def linked(world: World, door: Door | None = None) -> Clusters:
    """Return each record's customer as ingest links."""
    door = Door() if door is None else door
    bearers = [door.take(number, record) for number, record in enumerate(world.records)]
    return [("guest", number) if one is None else door.community.customer(one) for number, one in enumerate(bearers)]


def without_names(world: World) -> Clusters:
    """Return each record's customer as ingest links where nobody tells a name or birthday."""
    return linked(world, Door(reads_names=False))


def strongest_only(world: World) -> Clusters:
    """Return each record's strongest identifier: nobody is linked."""
    return [min(record.identifiers, key=_strength) for record in world.records]


def everything(world: World) -> Clusters:
    """Return each record's customer when whatever stands together is one person's."""
    parent: dict[Hashable, Hashable] = {}

    def root(one: Hashable) -> Hashable:
        while parent.setdefault(one, one) != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for record in world.records:
        for other in record.identifiers[1:]:
            parent[root(other)] = root(record.identifiers[0])
    return [root(record.identifiers[0]) for record in world.records]


def knowing_all(world: World) -> Clusters:
    """Return each record's customer when only what is truly one person's alone is linked, by somebody who knows.

    No method finds more than its recall: some people never name two of their identifiers together.
    """
    holders = _holders(world)
    own = [tuple(one for one in record.identifiers if len(holders[one]) == 1) for record in world.records]
    known = [
        Record(record.at, record.person, mine or record.identifiers[:1], record.is_receipt)
        for record, mine in zip(world.records, own, strict=True)
    ]
    return everything(World(world.people, known))


def _holders(world: World) -> dict[tuple[str, str], set[int]]:
    holders: dict[tuple[str, str], set[int]] = {}
    for record in world.records:
        for one in record.identifiers:
            holders.setdefault(one, set()).add(record.person)
    return holders


_ORDER = ("loyalty_card", "user_id", "phone", "email", "anonymous_id")
METHODS: dict[str, Callable[[World], Clusters]] = {
    "regulars": linked,
    "without_names": without_names,
    "link_everything": everything,
    "strongest_only": strongest_only,
    "knowing_all": knowing_all,
}


def _strength(pair: tuple[str, str]) -> int:
    return _ORDER.index(pair[0])


def pairwise(truth: Clusters, found: Clusters) -> dict[str, float]:
    """Return precision, recall and F1 over all pairs of records."""
    both = _pairs(Counter(zip(truth, found, strict=True)))
    same, together = _pairs(Counter(truth)), _pairs(Counter(found))
    precision = both / together if together else 1.0
    recall = both / same if same else 1.0
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall)}


def _pairs(sizes: Counter[Any]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes.values())


def resolvable(world: World) -> list[bool]:
    """Return which records name anything that is one person's alone.

    A couple's one phone number, and nothing else, says of neither who it was; no method can know.
    """
    holders = _holders(world)
    return [any(len(holders[one]) == 1 for one in record.identifiers) for record in world.records]


def score(world: World) -> dict[str, dict[str, float]]:
    """Score every method on one world."""
    counted = resolvable(world)
    truth = [record.person for record, counts in zip(world.records, counted, strict=True) if counts]
    return {
        name: pairwise(truth, [one for one, counts in zip(method(world), counted, strict=True) if counts])
        for name, method in METHODS.items()
    }


def _own_score(world: World) -> dict[str, float]:
    counted = resolvable(world)
    truth = [record.person for record, counts in zip(world.records, counted, strict=True) if counts]
    return pairwise(truth, [one for one, counts in zip(linked(world), counted, strict=True) if counts])


def evaluate(progress: Progress, seeds: Sequence[int] = SCORING_SEEDS, households: int | None = None) -> Report:
    """Score ingest's linking and two baselines on one made-up world per seed."""
    started = time.monotonic()
    homes = real_households()[:households]
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in METHODS}
    sizes: Counter[str] = Counter()
    for seed in seeds:
        progress(f"seed {seed}")
        world = make_world(homes, seed)
        counted = resolvable(world)
        sizes += Counter(
            people=len(world.people), records=len(world.records), unresolvable=len(counted) - sum(counted)
        )
        for name, metrics in score(world).items():
            scores[name].append(metrics)
    summaries = {name: summary(each) for name, each in scores.items()}
    own = summaries.pop("regulars")
    progress("the same without shared phones and e-mail addresses")
    apart = summary([_own_score(make_world(homes, seed, shares=False)) for seed in seeds])
    return {
        "data": "demographics of the Complete Journey households, contact data made up",
        "households": len(homes),
        "people": round(sizes["people"] / len(seeds)),
        "records": round(sizes["records"] / len(seeds)),
        "unresolvable_records": round(sizes["unresolvable"] / len(seeds)),
        "seeds": list(seeds),
        "rule_version": RULE_VERSION,
        "metrics": {name: own[name]["mean"] for name in own},
        "intervals": {name: own[name]["interval"] for name in own},
        "targets": TARGETS,
        "targets_met": all(own[name]["mean"] >= target for name, target in TARGETS.items()),
        "baselines": {name: {metric: each[metric]["mean"] for metric in each} for name, each in summaries.items()},
        "baseline_intervals": {
            name: {metric: each[metric]["interval"] for metric in each} for name, each in summaries.items()
        },
        "without_shared_contacts": {name: apart[name]["mean"] for name in apart},
        "without_shared_contacts_intervals": {name: apart[name]["interval"] for name in apart},
        "seconds": round(time.monotonic() - started, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def summary(scores: Sequence[dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Return each metric's mean over the seeds with its 95 % interval (Student's t)."""
    found: dict[str, dict[str, Any]] = {}
    for metric in scores[0]:
        values = [each[metric] for each in scores]
        mean = statistics.fmean(values)
        spread = 0.0
        if len(values) > 1:
            spread = _T.get(len(values) - 1, 2.3) * statistics.stdev(values) / len(values) ** 0.5
        found[metric] = {"mean": mean, "interval": [mean - spread, min(mean + spread, 1.0)]}
    return found


_AGES = {"19-24": (19, 24), "25-34": (25, 34), "35-44": (35, 44), "45-54": (45, 54), "55-64": (55, 64)}
_OLDEST = (65, 84)


def real_households() -> list[Household]:
    """Return every household whose composition the data tells."""
    frame = completejourney.demographics().sort("household_id")
    adults = pl.col("household_comp").str.starts_with("2").cast(pl.Int32) + 1
    children = pl.col("kids_count").str.replace("+", "", literal=True).cast(pl.Int32, strict=False).fill_null(0)
    rows = frame.select(adults, children, "age").drop_nulls().iter_rows()
    return [Household(adults, children, _born(age)) for adults, children, age in rows]


def _born(age: str) -> tuple[int, int]:
    youngest, oldest = _AGES.get(age, _OLDEST)
    return START.year - oldest, START.year - youngest
