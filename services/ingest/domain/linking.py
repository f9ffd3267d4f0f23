"""Which subjects are one customer: the union rule, executed in numbering order by one process at a time.

Of several customers that turn out to be one, the survivor is the one whose own identifier is the strongest (a
loyalty card before a phone number), then the one seen first, then the smaller id. A customer has at most
`SUBJECTS_MAX` subjects. A device joins the first person seen with it and never joins two persons: a tablet in a
store would otherwise make one customer of everybody who used it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

SUBJECTS_MAX = 50

RefusedLink = Literal["too_many_subjects", "device_is_shared"]


@dataclass(frozen=True, slots=True)
class KnownSubject:
    """What the union rule looks at."""

    subject_id: UUID
    rank: tuple[int, str]
    first_seen_at: datetime
    is_device: bool


@dataclass(frozen=True, slots=True)
class United:
    """What a link changed: the subjects that moved, to whom, and what was refused."""

    customer_id: UUID | None = None
    moved: tuple[UUID, ...] = ()
    refused: tuple[tuple[UUID, RefusedLink], ...] = ()


@dataclass(slots=True)
class Community:
    """The customers around a batch of links, as they are now; every union changes them."""

    known: dict[UUID, KnownSubject]
    customer_of: dict[UUID, UUID]
    members: dict[UUID, set[UUID]] = field(init=False)

    def __post_init__(self) -> None:
        self.members = {}
        for subject_id in self.known:
            self.members.setdefault(self.customer(subject_id), set()).add(subject_id)

    def customer(self, subject_id: UUID) -> UUID:
        return self.customer_of.get(subject_id, subject_id)

    def unite(self, subject_ids: Sequence[UUID]) -> United:
        """Make one customer of the subjects of one event, as far as the rules allow."""
        persons = [one for one in subject_ids if not self.known[one].is_device]
        if not persons:
            return United()
        customer_id, moved, refused = self._join_persons(persons)
        for device in (one for one in subject_ids if self.known[one].is_device):
            reason = self._refuses_device(device, customer_id)
            if reason is not None:
                refused.append((device, reason))
            elif self.customer(device) != customer_id:
                moved += self._move([self.customer(device)], customer_id)
        return United(customer_id, tuple(sorted(moved, key=_by_id)), tuple(refused))

    def _join_persons(self, persons: Sequence[UUID]) -> tuple[UUID, list[UUID], list[tuple[UUID, RefusedLink]]]:
        survivor = self._survivor({self.customer(one) for one in persons})
        moved: list[UUID] = []
        refused: list[tuple[UUID, RefusedLink]] = []
        for person in persons:
            customer = self.customer(person)
            if customer == survivor:
                continue
            if len(self.members[survivor]) + len(self.members[customer]) > SUBJECTS_MAX:
                refused.append((person, "too_many_subjects"))
            else:
                moved += self._move([customer], survivor)
        return survivor, moved, refused

    def _survivor(self, customers: Collection[UUID]) -> UUID:
        return min(customers, key=self._precedence)

    def _precedence(self, customer: UUID) -> tuple[tuple[int, str], datetime, int]:
        anchor = self.known[customer]
        return anchor.rank, anchor.first_seen_at, customer.int

    def _refuses_device(self, device: UUID, customer_id: UUID) -> RefusedLink | None:
        holder = self.customer(device)
        if holder == customer_id:
            return None
        if any(not self.known[one].is_device for one in self.members[holder]):
            return "device_is_shared"
        size = len(self.members[customer_id]) + len(self.members[holder])
        return "too_many_subjects" if size > SUBJECTS_MAX else None

    def _move(self, absorbed: Iterable[UUID], survivor: UUID) -> list[UUID]:
        moved: list[UUID] = []
        for customer in absorbed:
            subjects = self.members.pop(customer)
            self.members[survivor] |= subjects
            self.customer_of.update(dict.fromkeys(subjects, survivor))
            moved += subjects
        return moved


def _by_id(subject_id: UUID) -> int:
    return subject_id.int
