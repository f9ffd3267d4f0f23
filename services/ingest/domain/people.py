"""The customers around a batch of links, as they are now, and what can be asked of them."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.ingest.domain.links import KnownSubject, Link, Pair, pair_of
from services.ingest.domain.marks import Marks
from services.ingest.domain.policy import GUEST


@dataclass(slots=True)
class People:
    """Subjects, their customers and their links.

    `links` are in the order in which they were first said, which is the order in which they are tried again.
    """

    known: dict[UUID, KnownSubject]
    customer_of: dict[UUID, UUID]
    links: dict[Pair, Link] = field(default_factory=dict)
    apart: set[Pair] = field(default_factory=set)
    marks: dict[UUID, set[Marks]] = field(default_factory=dict)
    """Of names and birthdays: what was said together with each subject."""
    members: dict[UUID, set[UUID]] = field(init=False)
    _links_of: dict[UUID, set[Pair]] = field(init=False)
    _order: dict[Pair, int] = field(init=False)

    def __post_init__(self) -> None:
        self.members = {}
        for subject_id in self.known:
            self.members.setdefault(self.customer(subject_id), set()).add(subject_id)
        self._links_of, self._order = {}, {}
        for pair in self.links:
            self.index(pair)

    def customer(self, subject_id: UUID) -> UUID:
        return self.customer_of.get(subject_id, subject_id)

    def meet(self, subject: KnownSubject) -> None:
        """Take in a subject that nobody knew."""
        self.known[subject.subject_id] = subject
        self.members[subject.subject_id] = {subject.subject_id}

    def index(self, pair: Pair) -> None:
        """Take in a link's pair; its place among all is that of its first saying."""
        self._order.setdefault(pair, len(self._order))
        for end in pair:
            self._links_of.setdefault(end, set()).add(pair)

    def pairs_of(self, subject_id: UUID) -> Collection[Pair]:
        """Return the pairs in which something was said of this subject, whether it holds or not."""
        return self._links_of.get(subject_id, ())

    def in_order(self, pairs: Collection[Pair]) -> list[Pair]:
        """Return the pairs in the order in which they were first said."""
        return sorted(pairs, key=self._order.__getitem__)

    def everybody(self, subject_id: UUID) -> set[UUID]:
        """Return all subjects of this one's customer."""
        return self.members[self.customer(subject_id)]

    def others_of(self, subject_id: UUID) -> set[UUID]:
        """Return whom a subject was ever said to belong together with."""
        return {end for pair in self.pairs_of(subject_id) for end in pair} - {subject_id}

    def is_made(self, one: UUID, other: UUID) -> bool:
        link = self.links.get(pair_of(one, other))
        return one == other or (link is not None and link.state == "made")

    def has_person(self, customer: UUID) -> bool:
        """Whether anybody is known of this customer; a receipt of nobody known is no person."""
        return any(
            not self.known[one].is_device and self.known[one].namespace != GUEST for one in self.members[customer]
        )

    def size(self, customer: UUID) -> int:
        """Count a customer's identifiers; claimed receipts are none."""
        return sum(self.known[one].namespace != GUEST for one in self.members[customer])

    def are_kept_apart(self, one: UUID, other: UUID) -> bool:
        if not self.apart:
            return False
        return any(pair_of(a, b) in self.apart for a in self.members[one] for b in self.members[other])

    def namespaces(self, customer: UUID) -> Counter[str]:
        return Counter(self.known[one].namespace for one in self.members[customer])

    def marks_of(self, subject_id: UUID) -> Collection[Marks]:
        return self.marks.get(subject_id, ())

    def met_by(self, members: Collection[UUID]) -> set[UUID]:
        """Return whom these subjects were seen together with, whether linked or not."""
        pairs = (pair for one in members for pair in self.pairs_of(one))
        return {end for pair in pairs if self.links[pair].is_seen for end in pair}

    def crossing(self, inside: Collection[UUID], rest: Collection[UUID]) -> list[Pair]:
        """Return the links that hold between the two sides."""
        chosen, others = set(inside), set(rest)
        return [
            link.pair for link in self.made_among(chosen | others) if (link.left in chosen) != (link.right in chosen)
        ]

    def made_among(self, members: Collection[UUID]) -> list[Link]:
        """Return the links that hold among these subjects, in one order everywhere."""
        within = set(members)
        pairs = {pair for one in members for pair in self.pairs_of(one)}
        return [
            self.links[pair]
            for pair in sorted(pairs, key=lambda pair: (pair[0].int, pair[1].int))
            if self.links[pair].state == "made" and within.issuperset(pair)
        ]

    def components(self, members: Collection[UUID]) -> list[set[UUID]]:
        """Return these subjects in parts that links which hold keep together."""
        neighbours: dict[UUID, list[UUID]] = {one: [] for one in members}
        for link in self.made_among(members):
            neighbours[link.left].append(link.right)
            neighbours[link.right].append(link.left)
        parts: list[set[UUID]] = []
        left = set(members)
        while left:
            waiting, part = [left.pop()], set[UUID]()
            while waiting:
                one = waiting.pop()
                part.add(one)
                found = [other for other in neighbours[one] if other in left]
                left.difference_update(found)
                waiting += found
            parts.append(part)
        return parts

    def precedence(self, subject_id: UUID) -> tuple[tuple[int, str], datetime, int]:
        """Sort key: the smallest names the customer."""
        known = self.known[subject_id]
        return known.rank, known.first_seen_at, subject_id.int
