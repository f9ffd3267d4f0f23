"""Which subjects are one customer: links between identifiers, and the rules by which they hold.

A customer is a connected component of the links that hold; its id is the subject of its strongest identifier (a
loyalty card before a phone number), then of the one seen first, then the smaller id. A phone or e-mail that two
customers' cards claim links neither. A link that does not hold is kept with its reason, and tried again when what
stood against it is gone; so taking a wrong link back leaves what would be without it. All of it is executed in
numbering order, by one process at a time.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.ingest.domain.policy import GUEST, HELD_MAX, RENAMED_MAX, SUBJECTS_MAX, is_device, rank_of, rule_of

LinkState = Literal["made", "refused", "held", "cut"]
Quarantine = Literal["free", "held", "released"]
Cause = Literal["seen_together", "alias", "signed", "decided", "claimed", "refers_to"]
Pair = tuple[UUID, UUID]

AGREEING_MIN = 2
"""So many identifiers of different kinds must agree before two loyalty cards are one person's."""


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

    @property
    def pair(self) -> Pair:
        return pair_of(self.left, self.right)


@dataclass(frozen=True, slots=True)
class United:
    """What a link changed: the subjects that moved, to whom, what was refused, and who turned out to be shared."""

    customer_id: UUID | None = None
    moved: tuple[UUID, ...] = ()
    refused: tuple[tuple[UUID, str], ...] = ()
    shared: tuple[UUID, ...] = ()


@dataclass(slots=True)
class Community:
    """The customers around a batch of links and decisions, as they are now; every one of them changes them.

    `links` are in the order in which they were first said, which is the order in which they are tried again.
    """

    known: dict[UUID, KnownSubject]
    customer_of: dict[UUID, UUID]
    links: dict[Pair, Link] = field(default_factory=dict)
    apart: set[Pair] = field(default_factory=set)
    members: dict[UUID, set[UUID]] = field(init=False)
    changed: set[Pair] = field(init=False, default_factory=set)
    _links_of: dict[UUID, set[Pair]] = field(init=False)
    _order: dict[Pair, int] = field(init=False)
    _before: dict[UUID, UUID] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.members = {}
        for subject_id in self.known:
            self.members.setdefault(self.customer(subject_id), set()).add(subject_id)
        self._links_of, self._order = {}, {}
        for pair in self.links:
            self._index(pair)

    def customer(self, subject_id: UUID) -> UUID:
        return self.customer_of.get(subject_id, subject_id)

    def meet(self, subject: KnownSubject) -> None:
        """Take in a subject that nobody knew."""
        self.known[subject.subject_id] = subject
        self.members[subject.subject_id] = {subject.subject_id}

    def _index(self, pair: Pair) -> None:
        self._order.setdefault(pair, len(self._order))
        for end in pair:
            self._links_of.setdefault(end, set()).add(pair)

    # What events say.

    def unite(self, subject_ids: Sequence[UUID], said: Said) -> United:
        """Make one customer of the subjects of one event, as far as the rules allow."""
        center = self._center(subject_ids)
        if center is None:
            return United()
        if all(self._is_made(center, other) for other in subject_ids):
            return United(self.customer(center))
        refused: list[tuple[UUID, str]] = []
        for other in subject_ids:
            reason = None if other == center else self._connect(center, other, said)
            if reason is not None:
                refused.append((other, reason))
        shared = [] if said.is_decided else [one for one in subject_ids if self._is_shared(one)]
        for one in shared:
            self._hold(one, said.event_id)
        for one in subject_ids:
            self._set_aside_if_contested(one, said)
        if self._before:
            self._try_again(self.members[self.customer(center)], None)
        return United(self.customer(center), self._moved(), tuple(refused), tuple(shared))

    def _is_made(self, one: UUID, other: UUID) -> bool:
        link = self.links.get(pair_of(one, other))
        return one == other or (link is not None and link.state == "made")

    def _center(self, subject_ids: Sequence[UUID]) -> UUID | None:
        """Return the identifier that the others are linked with: the strongest person's that may link."""
        persons = [one for one in subject_ids if not self.known[one].is_device]
        free = [one for one in persons if not self.known[one].is_held]
        return next(iter(free or persons), None)

    def _connect(self, left: UUID, right: UUID, said: Said) -> str | None:
        """Link two subjects; return why not."""
        pair = pair_of(left, right)
        link = self.links.get(pair)
        if link is not None and link.state == "made":
            return None
        reason = self._objection(left, right, said)
        if link is not None and link.state == "cut" and reason is not None:
            return reason
        if reason is None:
            self._put(Link(left, right, said, "made"))
            self._merge(self.customer(left), self.customer(right))
        elif link is not None or not self._is_full(pair):
            self._put(Link(left, right, said, _state_for(reason), reason))
        return reason

    def _put(self, link: Link) -> None:
        """Keep a link; one that was said before keeps its first saying, unless a person said it now."""
        before = self.links.get(link.pair)
        if before is not None and not link.said.is_decided:
            link = replace(
                link, left=before.left, right=before.right, said=before.said, changed_by=link.said.event_id
            )
        if before is None or (before.state, before.reason, before.said) != (link.state, link.reason, link.said):
            self.links[link.pair] = link
            self.changed.add(link.pair)
            self._index(link.pair)

    def _is_full(self, pair: Pair) -> bool:
        return any(self.known[end].is_held and len(self._links_of.get(end, ())) >= HELD_MAX for end in pair)

    def _objection(self, left: UUID, right: UUID, said: Said) -> str | None:
        if self.known[left].is_held or self.known[right].is_held:
            return "quarantined"
        if self.customer(left) == self.customer(right):
            return None
        reason = self._forbidden(left, right)
        if reason is not None or said.is_decided:
            return reason
        if self._is_contested(left) or self._is_contested(right):
            return "contested"
        return self._over_limit(left, right, said)

    def _forbidden(self, left: UUID, right: UUID) -> str | None:
        """Return what not even a person's word is above."""
        one, other = self.customer(left), self.customer(right)
        for end, customer in ((left, one), (right, other)):
            if self.known[end].is_device and self._has_person(customer):
                return "device_is_shared"
        if self._size(one) + self._size(other) > SUBJECTS_MAX:
            return "too_many_subjects"
        return "kept_apart" if self._kept_apart(one, other) else None

    def _has_person(self, customer: UUID) -> bool:
        return any(
            not self.known[one].is_device and self.known[one].namespace != GUEST for one in self.members[customer]
        )

    def _size(self, customer: UUID) -> int:
        return sum(self.known[one].namespace != GUEST for one in self.members[customer])

    def _kept_apart(self, one: UUID, other: UUID) -> bool:
        if not self.apart:
            return False
        return any(pair_of(a, b) in self.apart for a in self.members[one] for b in self.members[other])

    def _over_limit(self, left: UUID, right: UUID, said: Said) -> str | None:
        """Return the limit that the two customers together would break."""
        one, other = (self._namespaces(self.customer(end)) for end in (left, right))
        kinds = {self.known[end].namespace for end in (left, right)}
        is_weak = len(kinds) > 1 and not any(rule_of(kind).is_strong for kind in kinds)
        for namespace in sorted(one.keys() & other.keys(), key=rank_of):
            count, rule = one[namespace] + other[namespace], rule_of(namespace)
            limit = min(rule.per_customer, rule.by_weak) if is_weak else rule.per_customer
            if count <= limit or (said.cause == "alias" and count <= RENAMED_MAX):
                continue
            if count > rule.agreed_max or self._agreeing(left, right) < AGREEING_MIN:
                return f"limit_{namespace}"
        return None

    def _namespaces(self, customer: UUID) -> Counter[str]:
        return Counter(self.known[one].namespace for one in self.members[customer])

    def _agreeing(self, left: UUID, right: UUID) -> int:
        """Count the kinds of identifier that connect two customers: this link's, and those refused before."""
        one, other = self.members[self.customer(left)], self.members[self.customer(right)]
        met_by_one, met_by_other = self._met_by(one), self._met_by(other)
        agreeing = (met_by_one & met_by_other) | (met_by_one & other) | (met_by_other & one)
        agreeing.add(max(left, right, key=self._precedence))
        kinds = {self.known[subject_id].namespace for subject_id in agreeing}
        return sum(not rule_of(kind).is_strong and not is_device(kind) for kind in kinds)

    def _met_by(self, members: Collection[UUID]) -> set[UUID]:
        """Return whom these subjects were seen together with, whether linked or not."""
        pairs = (pair for one in members for pair in self._links_of.get(one, ()))
        return {end for pair in pairs if self.links[pair].state in {"made", "refused"} for end in pair}

    def _is_contested(self, subject_id: UUID) -> bool:
        """Whether two customers' cards (or accounts) claim a phone or e-mail: then it says of neither who it is."""
        known = self.known[subject_id]
        if known.is_device or known.namespace == GUEST or rule_of(known.namespace).is_strong:
            return False
        claims: dict[str, set[UUID]] = {}
        for pair in self._links_of.get(subject_id, ()):
            link = self.links[pair]
            if link.state == "made" and link.said.is_decided:
                return False
            other = self.known[pair[0] if pair[1] == subject_id else pair[1]]
            if link.state in {"made", "refused"} and rule_of(other.namespace).is_strong and not other.is_held:
                claims.setdefault(other.namespace, set()).add(self.customer(other.subject_id))
        return any(len(customers) > 1 for customers in claims.values())

    def _set_aside_if_contested(self, subject_id: UUID, said: Said) -> None:
        members = self.members[self.customer(subject_id)]
        if len(members) > 1 and self._is_contested(subject_id):
            crossing = self._crossing({subject_id}, members - {subject_id})
            self._set_aside(crossing, "refused", said.event_id, "contested")
            self._settle_again(members)

    def _is_shared(self, subject_id: UUID) -> bool:
        """Whether an identifier was seen with more others than one person's would be."""
        known = self.known[subject_id]
        if known.quarantine != "free":
            return False
        rule = rule_of(known.namespace)
        met: dict[str, set[UUID]] = {}
        for pair in self._links_of.get(subject_id, ()):
            other = pair[0] if pair[1] == subject_id else pair[1]
            if self.links[pair].state != "cut" and not self.known[other].is_held:
                met.setdefault(self.known[other].namespace, set()).add(other)
        return any(
            len(others) > (rule.strong_max if rule_of(namespace).is_strong else rule.weak_max)
            for namespace, others in met.items()
            if namespace != GUEST and not is_device(namespace)
        )

    # What people decide. Each returns the subjects that moved.

    def part(self, subject_ids: Collection[UUID], by: UUID) -> tuple[UUID, ...]:
        """Split these subjects off from the rest of their customers, and keep them apart."""
        chosen = set(subject_ids)
        for customer in {self.customer(one) for one in chosen}:
            members = self.members[customer]
            inside, rest = members & chosen, members - chosen
            self.apart |= {pair_of(a, b) for a in inside for b in rest}
            self._set_aside(self._crossing(inside, rest), "cut", by)
            self._settle_again(members)
        return self._moved()

    def take_back(self, event_id: UUID, subject_ids: Collection[UUID], by: UUID) -> tuple[UUID, ...] | None:
        """Take back the links that one event made among these subjects' customers; None where that parts nobody.

        The two sides of each are kept apart. Where other links still connect them, nothing is changed.
        """
        members = {one for subject_id in subject_ids for one in self.members[self.customer(subject_id)]}
        said = self._said_by(event_id, members)
        members |= {one for link in said for end in link.pair for one in self.members[self.customer(end)]}
        wrong = [link for link in self._made_among(members) if event_id in {link.said.event_id, link.changed_by}]
        changed_before = set(self.changed)
        self._set_aside([link.pair for link in wrong + said], "cut", by)
        parts = self._components(members)
        side = {one: place for place, part in enumerate(parts) for one in part}
        parted = [link for link in wrong if side[link.left] != side[link.right]]
        if not wrong + said or len(parted) < len(wrong):
            for link in wrong + said:
                self.links[link.pair] = link
            self.changed = changed_before
            return None
        for link in parted + said:
            self.apart |= {pair_of(a, b) for a in parts[side[link.left]] for b in parts[side[link.right]]}
        self._settle_again(members)
        return self._moved()

    def _said_by(self, event_id: UUID, members: Collection[UUID]) -> list[Link]:
        """Return the links that an event says around these subjects, and that do not hold."""
        pairs = {pair for one in members for pair in self._links_of.get(one, ())}
        links = [self.links[pair] for pair in sorted(pairs, key=self._order.__getitem__)]
        return [one for one in links if one.state in {"refused", "held"} and one.said.event_id == event_id]

    def join(self, subject_ids: Sequence[UUID], said: Said) -> United:
        """Make one customer of these subjects because a person says so, whatever was kept apart before."""
        customers = [self.members[self.customer(one)] for one in subject_ids]
        everybody = {one for members in customers for one in members}
        self.apart -= {pair for pair in self.apart if everybody.issuperset(pair)}
        ordered = sorted(subject_ids, key=self._precedence)
        return self.unite(ordered, said)

    def hold(self, subject_id: UUID, by: UUID) -> tuple[UUID, ...]:
        """Put an identifier into quarantine: it links nobody until it is released."""
        self._hold(subject_id, by)
        return self._moved()

    def release(self, subject_id: UUID, by: UUID) -> tuple[UUID, ...]:
        """Let an identifier link again, and try what was held."""
        self.known[subject_id] = replace(self.known[subject_id], quarantine="released")
        self._try_again({subject_id}, by)
        return self._moved()

    def let_go(self, guest: UUID, by: UUID) -> tuple[UUID, ...]:
        """Undo the claim of a guest's receipt."""
        members = self.members[self.customer(guest)]
        guests = self._guests_with(guest)
        self._set_aside(self._crossing(guests, members - guests), "cut", by)
        self._settle_again(members)
        return self._moved()

    def is_guests_alone(self, guest: UUID) -> bool:
        """Whether a receipt is nobody's yet: together with what took it back at most."""
        return all(self.known[one].namespace == GUEST for one in self.members[self.customer(guest)])

    def _guests_with(self, guest: UUID) -> set[UUID]:
        """Return a guest's receipt with those that took it back: they go where it goes."""
        guests = {one for one in self.members[self.customer(guest)] if self.known[one].namespace == GUEST}
        return next((part for part in self._components(guests) if guest in part), {guest})

    # How customers come about.

    def _hold(self, subject_id: UUID, by: UUID) -> None:
        self.known[subject_id] = replace(self.known[subject_id], quarantine="held")
        members = self.members[self.customer(subject_id)]
        crossing = self._crossing({subject_id}, members - {subject_id})
        self._set_aside(crossing, "held", by, "quarantined")
        self._settle_again(members)

    def _crossing(self, inside: Collection[UUID], rest: Collection[UUID]) -> list[Pair]:
        chosen, others = set(inside), set(rest)
        return [
            link.pair for link in self._made_among(chosen | others) if (link.left in chosen) != (link.right in chosen)
        ]

    def _made_among(self, members: Collection[UUID]) -> list[Link]:
        within = set(members)
        pairs = {pair for one in members for pair in self._links_of.get(one, ())}
        return [
            self.links[pair]
            for pair in sorted(pairs, key=lambda pair: (pair[0].int, pair[1].int))
            if self.links[pair].state == "made" and within.issuperset(pair)
        ]

    def _set_aside(self, pairs: Iterable[Pair], state: LinkState, by: UUID, reason: str | None = None) -> None:
        for pair in pairs:
            self.links[pair] = replace(self.links[pair], state=state, reason=reason, changed_by=by)
            self.changed.add(pair)

    def _settle_again(self, members: Collection[UUID]) -> None:
        """Find the customers of these subjects anew, and try the links that were refused to what they were."""
        everybody = set(members)
        for customer in {self.customer(one) for one in everybody}:
            self.members.pop(customer, None)
        for part in self._components(everybody):
            self._assign(part)
        self._try_again(everybody, None)

    def _components(self, members: Collection[UUID]) -> list[set[UUID]]:
        neighbours: dict[UUID, list[UUID]] = {one: [] for one in members}
        for link in self._made_among(members):
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

    def _try_again(self, around: Collection[UUID], by: UUID | None) -> None:
        """Try what does not hold around these subjects, in the order in which it was said."""
        touching = {pair for one in around for pair in self._links_of.get(one, ())}
        waiting = [pair for pair in touching if self.links[pair].state in {"refused", "held"}]
        for pair in sorted(waiting, key=self._order.__getitem__):
            link = self.links[pair]
            reason = self._objection(link.left, link.right, link.said)
            if reason is None:
                changed = replace(link, state="made", reason=None, changed_by=by or link.changed_by)
                self.links[link.pair] = changed
                self.changed.add(link.pair)
                self._merge(self.customer(link.left), self.customer(link.right))
            elif reason != link.reason:
                self.links[link.pair] = replace(link, state=_state_for(reason), reason=reason)
                self.changed.add(link.pair)

    def _merge(self, one: UUID, other: UUID) -> None:
        if one == other:
            return
        together = self.members.pop(one) | self.members.pop(other)
        self._assign(together)
        for pair in {pair for member in together for pair in self._links_of.get(member, ())}:
            link = self.links[pair]
            # What was refused between the two holds now, so that it is not missed when another link is cut.
            if link.state == "refused" and together.issuperset(pair):
                self.links[pair] = replace(link, state="made", reason=None)
                self.changed.add(pair)

    def _assign(self, part: set[UUID]) -> None:
        customer = min(part, key=self._precedence)
        self.members[customer] = part
        for one in part:
            self._before.setdefault(one, self.customer(one))
            self.customer_of[one] = customer

    def _moved(self) -> tuple[UUID, ...]:
        moved = [one for one, before in self._before.items() if self.customer(one) != before]
        self._before.clear()
        return tuple(sorted(moved, key=_by_id))

    def _precedence(self, subject_id: UUID) -> tuple[tuple[int, str], datetime, int]:
        known = self.known[subject_id]
        return known.rank, known.first_seen_at, subject_id.int


def pair_of(one: UUID, other: UUID) -> Pair:
    """Return the two in the one order under which their link is kept."""
    return (one, other) if one.int < other.int else (other, one)


def bearer(subject_ids: Sequence[UUID], held: Collection[UUID]) -> UUID | None:
    """Return whose a receipt is: the strongest identifier's that is not in quarantine; None for a guest's.

    A cashier's own card would otherwise own what others bought.
    """
    return next((one for one in subject_ids if one not in held), None)


def _state_for(reason: str) -> LinkState:
    return "held" if reason == "quarantined" else "refused"


def _by_id(subject_id: UUID) -> int:
    return subject_id.int
