"""What changed between what was last said of a customer and what holds now, numbered."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

LIFECYCLE = "lifecycle"
IN = "in"
OUT = "out"


def segment_kind(segment_id: str) -> str:
    return f"segment:{segment_id}"


def segment_id_of(kind: str) -> str:
    return kind.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Said:
    """What was last said of one kind: its number and its state."""

    n: int
    state: str


@dataclass(frozen=True, slots=True)
class Transition:
    """Something to say: the n-th transition of a kind and customer."""

    kind: str
    customer_id: UUID
    n: int
    before: str | None
    state: str
    at: datetime


def transitions_to(
    customer_id: UUID, said: Mapping[str, Said], stage: str, segment_ids: Collection[str], at: datetime
) -> list[Transition]:
    """Return what must be said so that what was said holds again.

    A segment whose rule is gone is left like any other; who was never in a segment is not said to be out.
    """
    wanted = {segment_kind(segment_id): IN for segment_id in segment_ids}
    wanted |= {kind: OUT for kind in said if kind != LIFECYCLE and kind not in wanted}
    wanted[LIFECYCLE] = stage
    changes = []
    for kind, state in sorted(wanted.items()):
        before = said.get(kind)
        if before is None or before.state != state:
            n = 1 if before is None else before.n + 1
            changes.append(Transition(kind, customer_id, n, before.state if before else None, state, at))
    return changes
