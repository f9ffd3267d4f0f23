"""The rules of rebuilding, without I/O: how far each line is filled, and what a comparison found."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

from shared.worker.domain import Position

Place = tuple[str, str, int]
"""Origin, topic and partition of a line."""


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table as declared: its class (derived, computed or owned), its columns and its primary key."""

    name: str
    table_class: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Goal:
    """How far one line is filled. `event_id` is what the live tables have there; None where that is lost."""

    origin: str
    topic: str
    partition: int
    seq: int
    event_id: UUID | None

    @property
    def place(self) -> Place:
        return self.origin, self.topic, self.partition

    def is_met(self, position: Position | None) -> bool:
        """Say whether a line was filled exactly as far as this."""
        if position is None:
            return self.seq == 0
        return position.last_seq == self.seq and self.event_id in {None, position.last_event_id}


@dataclass(frozen=True, slots=True)
class Served:
    """What the producers' logs are now: the origins that answer, and how far their lines go."""

    origins: frozenset[str]
    numbered: Mapping[Place, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """The goals of all lines; of `reconciled` ones the log is of another history than what was applied.

    `gone`: origins that no log serves any more, because a restored producer went on under a new name.
    """

    goals: tuple[Goal, ...]
    reconciled: frozenset[Place]
    gone: frozenset[str]

    @property
    def events(self) -> int:
        return sum(goal.seq for goal in self.goals)


def place_of(position: Position) -> Place:
    return position.origin, position.topic, position.partition


def plan_of(applied: Sequence[Position], served: Served, forked: Collection[Place]) -> Plan:
    """Return how far to fill: as far as the live tables are, never farther.

    A line whose history differs from its log's (`forked`) is filled as far as the log goes.
    """
    goals: list[Goal] = []
    reconciled: set[Place] = set()
    gone = {position.origin for position in applied if position.last_seq and position.origin not in served.origins}
    for position in applied:
        place = place_of(position)
        if position.origin in gone or not position.last_seq:
            continue
        if place in forked or position.forked_reason is not None or served.numbered.get(place, 0) < position.last_seq:
            reconciled.add(place)
            goals.append(Goal(*place, served.numbered.get(place, 0), None))
        else:
            goals.append(Goal(*place, position.last_seq, position.last_event_id))
    return Plan(tuple(goals), frozenset(reconciled), frozenset(gone))


def moved_on(plan: Plan, applied: Sequence[Position]) -> Plan:
    """Return the plan after the live tables went on: reconciled lines keep the goals that they have."""
    kept = tuple(goal for goal in plan.goals if goal.place in plan.reconciled)
    moved = tuple(
        Goal(*place_of(position), position.last_seq, position.last_event_id)
        for position in applied
        if position.last_seq and position.origin not in plan.gone and place_of(position) not in plan.reconciled
    )
    return Plan(kept + moved, plan.reconciled, plan.gone)


def forks_said(plan: Plan) -> tuple[str, ...]:
    """Return what a person should know of histories that were replaced."""
    gone = (f"{origin} is served no more: what only it had is not in the new tables" for origin in sorted(plan.gone))
    lines = (
        f"{origin} {topic}/{partition} was filled as its log is now, which is not what was applied"
        for origin, topic, partition in sorted(plan.reconciled)
    )
    return (*gone, *lines)


@dataclass(frozen=True, slots=True)
class Differences:
    """How the rows of one table differ: only in the live one, only in the new one, other values at the same key."""

    only_live: int
    only_next: int
    changed: int
    sample: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableFinding:
    """One derived table on both sides, as of one moment; no differences: equal byte for byte."""

    table: str
    rows_live: int
    rows_next: int
    differences: Differences | None = None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to."""

    service: str
    events: int
    fill_seconds: float
    findings: tuple[TableFinding, ...]
    notes: tuple[str, ...] = ()
    is_swapped: bool = False
    held_seconds: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Say whether the new tables are what the live ones are; a replaced history is a difference too."""
        return not self.notes and not any(finding.differences for finding in self.findings)

    def swapped(self, held_seconds: float) -> "Rebuilt":
        """Return the same, swapped; `held_seconds`: for how long nothing was applied meanwhile."""
        return replace(self, is_swapped=True, held_seconds=held_seconds)

    def document(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        return asdict(self) | {"is_equal": self.is_equal}
