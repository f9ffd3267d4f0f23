"""Owns the customers that an API process has in memory: each as they were when last read, the unused ones gone first.

A customer is found by each of their subjects. Only what was read from the database comes in, and only by whoever
follows its changes: see `following`.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from sys import intern
from uuid import UUID

from services.recommend import metrics
from services.recommend.domain.facts import net_baskets
from services.recommend.serving.columns import Columns, columns_of, microseconds
from services.recommend.serving.names import Names
from services.recommend.serving.past import Past
from services.recommend.store.customers import Known

LINES_MAX = 20_000
"""Who bought more products than this, one by one, is a shop's own card: not kept, but read when asked for."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A customer in memory. `version` is another one whenever anything of this is; no two customers share one."""

    customer_id: UUID
    subjects: tuple[int, ...]
    withdrawn_channels: frozenset[str]
    packed: bytes
    last_us: int
    version: int
    segments: tuple[str, ...] = ()

    def is_complete_at(self, until: datetime) -> bool:
        """Say whether all of this happened before a moment."""
        return self.last_us < microseconds(until)

    def is_same(self, other: "Remembered") -> bool:
        return (self.subjects, self.withdrawn_channels, self.packed, self.last_us, self.segments) == (
            other.subjects,
            other.withdrawn_channels,
            other.packed,
            other.last_us,
            other.segments,
        )


class Customers:
    """At most `limit` customers, and the numbers that products and stores have in all of them."""

    def __init__(self, limit: int) -> None:
        """Start without any."""
        self._limit = limit
        self._versions = count(1)
        self._kept: OrderedDict[int, Remembered] = OrderedDict()
        self._owners: dict[int, int] = {}
        """The customer of every subject that is not the customer's own id."""
        self.names = Names()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def is_full(self) -> bool:
        return len(self._kept) >= self._limit

    def find(self, customer_or_subject_id: UUID) -> Remembered | None:
        """Return whom an id means, if they are in memory; they are then the last to go."""
        found = self._found(customer_or_subject_id.int)
        if found is not None:
            self._kept.move_to_end(found.customer_id.int)
        return found

    def owners(self, subject_ids: Iterable[UUID]) -> set[UUID]:
        """Return the customers in memory that these subjects are of."""
        found = (self._found(subject_id.int) for subject_id in subject_ids)
        return {one.customer_id for one in found if one is not None}

    def past(self, remembered: Remembered) -> Past:
        columns = Columns.of_bytes(remembered.packed)
        return Past(names=self.names, columns=columns, version=remembered.version)

    def replace(self, customer_ids: Collection[UUID], read: Iterable[Known]) -> None:
        """Put what was read in the place of what is here of these customers; who is not among it, goes."""
        known = {one.customer_id: one for one in read}
        before = {customer_id: self._kept.get(customer_id.int) for customer_id in customer_ids}
        for customer_id in customer_ids:
            self._forget(customer_id.int)
        for customer_id in customer_ids:
            if customer_id in known:
                self._keep(known[customer_id], before[customer_id])
        metrics.REMEMBERED.set(len(self._kept))

    def put(self, one: Remembered) -> None:
        """Take somebody in who is not here; if all places are taken, who was not asked for longest goes."""
        while self.is_full:
            self._forget(next(iter(self._kept)))
            metrics.EVICTED.inc()
        key = one.customer_id.int
        self._kept[key] = one
        self._owners.update({subject: key for subject in one.subjects if subject != key})

    def ids(self) -> list[UUID]:
        """Return who is in memory, those not asked for longest first."""
        return [one.customer_id for one in self._kept.values()]

    def clear(self) -> None:
        """Forget everybody: what comes is read anew."""
        self._kept.clear()
        self._owners.clear()
        self.names = Names()
        metrics.REMEMBERED.set(0)

    def _found(self, asked: int) -> Remembered | None:
        owner = self._owners.get(asked)
        if owner is not None:
            return self._kept.get(owner)
        found = self._kept.get(asked)
        # A customer may bear the id of a subject that is somebody else's by now.
        return found if found is not None and asked in found.subjects else None

    def _keep(self, known: Known, before: Remembered | None) -> None:
        if not known.facts and not known.withdrawn_channels:
            return
        columns = columns_of(net_baskets(known.facts), self.names)
        if columns.product.size > LINES_MAX:
            return
        fresh = Remembered(
            customer_id=known.customer_id,
            subjects=tuple(sorted(subject_id.int for subject_id in known.subject_ids)),
            withdrawn_channels=known.withdrawn_channels,
            packed=columns.to_bytes(),
            last_us=max((microseconds(fact.at) for fact in known.facts), default=-1),
            version=next(self._versions),
            segments=tuple(intern(segment) for segment in known.segments),
        )
        self.put(before if before is not None and before.is_same(fresh) else fresh)

    def _forget(self, key: int) -> None:
        gone = self._kept.pop(key, None)
        for subject in gone.subjects if gone is not None else ():
            if self._owners.get(subject) == key:
                del self._owners[subject]
