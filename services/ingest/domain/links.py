"""Identifiers as linking knows them, and links: who says that two belong together, and whether that holds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.ingest.domain.policy import is_device, rank_of

LinkState = Literal["made", "refused", "held", "cut"]
Quarantine = Literal["free", "held", "released"]
Cause = Literal["seen_together", "alias", "signed", "decided", "claimed", "refers_to"]
Pair = tuple[UUID, UUID]


@dataclass(frozen=True, slots=True)
class KnownSubject:
    """What the rules look at. One that was `released` from quarantine is not put there again by a count."""

    subject_id: UUID
    namespace: str
    first_seen_at: datetime
    quarantine: Quarantine = "free"

    @property
    def rank(self) -> tuple[int, str]:
        return rank_of(self.namespace)

    @property
    def is_device(self) -> bool:
        return is_device(self.namespace)

    @property
    def is_held(self) -> bool:
        return self.quarantine == "held"


@dataclass(frozen=True, slots=True)
class Said:
    """The event that says that identifiers belong together."""

    event_id: UUID
    occurred_at: datetime
    cause: Cause = "seen_together"

    @property
    def is_decided(self) -> bool:
        """Whether a person said so, who may know better than the limits."""
        return self.cause in {"decided", "claimed"}


@dataclass(frozen=True, slots=True)
class Link:
    """Two subjects, who says that they belong together, and whether that holds."""

    left: UUID
    right: UUID
    said: Said
    state: LinkState
    reason: str | None = None
    changed_by: UUID | None = None
    by_names: bool = False
    """Whether it holds only since names or birthdays agree."""

    @property
    def pair(self) -> Pair:
        return pair_of(self.left, self.right)

    @property
    def is_seen(self) -> bool:
        """Whether the two were seen together and neither a person nor quarantine stands between them."""
        return self.state in {"made", "refused"}


def pair_of(one: UUID, other: UUID) -> Pair:
    """Return the two in the one order under which their link is kept."""
    return (one, other) if one.int < other.int else (other, one)


def bearer(subject_ids: Sequence[UUID], held: Collection[UUID], doubtful: Collection[UUID] = ()) -> UUID | None:
    """Return whose an event is: the strongest identifier's that is not in quarantine; None for a guest's.

    A cashier's own card would otherwise own what others bought. What is `doubtful` stands back for what is not: it
    changes nothing while the two are one customer's, and keeps the event with the right one when they are not.
    """
    free = [one for one in subject_ids if one not in held]
    return next((one for one in free if one not in doubtful), next(iter(free), None))
