"""Which subjects are one customer: links between identifiers, and the rules by which they hold.

A customer is a connected component of the links that hold; its id is the subject of its strongest identifier (a
loyalty card before a phone number), then of the one seen first, then the smaller id. A phone or e-mail that two
customers' cards claim links neither. A link that does not hold is kept with its reason, and tried again when what
stood against it is gone; so taking a wrong link back leaves what would be without it. All of it is executed in
numbering order, by one process at a time.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.ingest.domain.links import Link, LinkState, Pair, Said, pair_of
from services.ingest.domain.marks import Marks
from services.ingest.domain.objections import is_contested, is_shared, objection
from services.ingest.domain.people import People
from services.ingest.domain.policy import GUEST, HELD_MAX, MARKS_MAX


@dataclass(frozen=True, slots=True)
class United:
    """What a link changed: the subjects that moved, to whom, what was refused, and who turned out to be shared."""

    customer_id: UUID | None = None
    moved: tuple[UUID, ...] = ()
    refused: tuple[tuple[UUID, str], ...] = ()
    shared: tuple[UUID, ...] = ()


@dataclass(slots=True)
class Community(People):
    """The customers around a batch of links and decisions; every one of them changes them."""

    changed: set[Pair] = field(init=False, default_factory=set)
    marked: list[tuple[UUID, Marks, UUID]] = field(init=False, default_factory=list)
    """What was said of names: with which subject, what, by which event."""
    _before: dict[UUID, UUID] = field(init=False, default_factory=dict)

    # What events say.

    def unite(self, subject_ids: Sequence[UUID], said: Said, marks: Marks | None = None) -> United:
        """Make one customer of the subjects of one event, as far as the rules allow.

        `marks` are of the name and birthday that the event says.
        """
        center = self._center(subject_ids)
        if center is None:
            return United()
        is_news = marks is not None and self._mark(subject_ids, said, marks)
        if not is_news and all(self.is_made(center, other) for other in subject_ids):
            return United(self.customer(center))
        refused: list[tuple[UUID, str]] = []
        for other in subject_ids:
            reason = None if other == center else self._connect(center, other, said)
            if reason is not None:
                refused.append((other, reason))
        shared = [] if said.is_decided else [one for one in subject_ids if is_shared(self, one)]
        for one in shared:
            self._hold(one, said.event_id)
        for one in subject_ids:
            self._set_aside_if_contested(one, said)
        if self._before or is_news:
            self._try_again(self.everybody(center), None)
        return United(self.customer(center), self._moved(), tuple(refused), tuple(shared))

    def _mark(self, subject_ids: Sequence[UUID], said: Said, marks: Marks) -> bool:
        """Keep what was said of the person with these subjects, devices aside; whether it is new for any."""
        new = [
            one
            for one in subject_ids
            if not self.known[one].is_device
            and marks not in self.marks_of(one)
            and len(self.marks_of(one)) < MARKS_MAX
        ]
        for one in new:
            self.marks.setdefault(one, set()).add(marks)
        self.marked += [(one, marks, said.event_id) for one in new]
        return bool(new)

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
        reason = objection(self, left, right, said)
        if link is not None and link.state == "cut" and reason is not None:
            return reason
        if reason is None:
            self._put(Link(left, right, said, "made", by_names=self._needs_names(left, right, said)))
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
        if before is None or replace(before, changed_by=link.changed_by) != link:
            self.links[link.pair] = link
            self.changed.add(link.pair)
            self.index(link.pair)

    def _needs_names(self, left: UUID, right: UUID, said: Said) -> bool:
        """Whether nothing stands against a link only since names or birthdays agree: where a limit is near."""
        one, other = self.namespaces(self.customer(left)), self.namespaces(self.customer(right))
        return (
            not one.keys().isdisjoint(other) and objection(self, left, right, said, believes_names=False) is not None
        )

    def _is_full(self, pair: Pair) -> bool:
        return any(self.known[end].is_held and len(self.pairs_of(end)) >= HELD_MAX for end in pair)

    def _set_aside_if_contested(self, subject_id: UUID, said: Said) -> None:
        members = self.everybody(subject_id)
        if len(members) > 1 and is_contested(self, subject_id):
            crossing = self.crossing({subject_id}, members - {subject_id})
            self._set_aside(crossing, "refused", said.event_id, "contested")
            self._settle_again(members)

    # What people decide. Each returns the subjects that moved.

    def part(self, subject_ids: Collection[UUID], by: UUID) -> tuple[UUID, ...]:
        """Split these subjects off from the rest of their customers, and keep them apart.

        A guest's receipt goes along with the identifier that it was claimed by, or whose sale it took back.
        """
        chosen = self.with_guests(subject_ids)
        for customer in {self.customer(one) for one in chosen}:
            members = self.members[customer]
            inside, rest = members & chosen, members - chosen
            self.apart |= {pair_of(a, b) for a in inside for b in rest}
            self._set_aside(self.crossing(inside, rest), "cut", by)
            self._settle_again(members)
        return self._moved()

    def take_back(self, event_id: UUID, subject_ids: Collection[UUID], by: UUID) -> tuple[UUID, ...] | None:
        """Take back the links that one event made among these subjects' customers; None where that parts nobody.

        The two sides of each are kept apart. Where other links still connect them, nothing is changed.
        """
        members = {one for subject_id in subject_ids for one in self.everybody(subject_id)}
        said = self._said_by(event_id, members)
        members |= {one for link in said for end in link.pair for one in self.everybody(end)}
        wrong = [link for link in self.made_among(members) if event_id in {link.said.event_id, link.changed_by}]
        changed_before = set(self.changed)
        self._set_aside([link.pair for link in wrong + said], "cut", by)
        parts = self.components(members)
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
        pairs = {pair for one in members for pair in self.pairs_of(one)}
        links = [self.links[pair] for pair in self.in_order(pairs)]
        return [one for one in links if one.state in {"refused", "held"} and one.said.event_id == event_id]

    def join(self, subject_ids: Sequence[UUID], said: Said) -> United:
        """Make one customer of these subjects because a person says so, whatever was kept apart before."""
        customers = [self.everybody(one) for one in subject_ids]
        everybody = {one for members in customers for one in members}
        self.apart -= {pair for pair in self.apart if everybody.issuperset(pair)}
        ordered = sorted(subject_ids, key=self.precedence)
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
        members = self.everybody(guest)
        guests = self._guests_with(guest)
        self._set_aside(self.crossing(guests, members - guests), "cut", by)
        self._settle_again(members)
        return self._moved()

    def is_guests_alone(self, guest: UUID) -> bool:
        """Whether a receipt is nobody's yet: together with what took it back at most."""
        return all(self.known[one].namespace == GUEST for one in self.everybody(guest))

    def with_guests(self, subject_ids: Collection[UUID]) -> set[UUID]:
        """Return these subjects and the guests' receipts that hang on them."""
        chosen = set(subject_ids)
        guests = {two for one in chosen for two in self.others_of(one) if self.known[two].namespace == GUEST}
        return chosen.union(
            *(self._guests_with(guest) for guest in guests if any(self.is_made(guest, one) for one in chosen))
        )

    def _guests_with(self, guest: UUID) -> set[UUID]:
        """Return a guest's receipt with those that took it back: they go where it goes."""
        guests = {one for one in self.everybody(guest) if self.known[one].namespace == GUEST}
        return next((part for part in self.components(guests) if guest in part), {guest})

    # How customers come about.

    def _hold(self, subject_id: UUID, by: UUID) -> None:
        self.known[subject_id] = replace(self.known[subject_id], quarantine="held")
        members = self.everybody(subject_id)
        crossing = self.crossing({subject_id}, members - {subject_id})
        self._set_aside(crossing, "held", by, "quarantined")
        self._settle_again(members)
        # A phone that this one alone made contested is not contested any more.
        self._try_again(self.others_of(subject_id), None)

    def _set_aside(self, pairs: Iterable[Pair], state: LinkState, by: UUID, reason: str | None = None) -> None:
        for pair in pairs:
            self.links[pair] = replace(self.links[pair], state=state, reason=reason, changed_by=by)
            self.changed.add(pair)

    def _settle_again(self, members: Collection[UUID]) -> None:
        """Find the customers of these subjects anew, and try the links that were refused to what they were."""
        everybody = set(members)
        for customer in {self.customer(one) for one in everybody}:
            self.members.pop(customer, None)
        for part in self.components(everybody):
            self._assign(part)
        self._try_again(everybody, None)

    def _try_again(self, around: Collection[UUID], by: UUID | None) -> None:
        """Try what does not hold around these subjects, in the order in which it was said, until nothing changes."""
        tried = set(around)
        touching = {pair for one in tried for pair in self.pairs_of(one)}
        waiting = [pair for pair in touching if self.links[pair].state in {"refused", "held"}]
        joined = [one for pair in self.in_order(waiting) for one in self._retried(self.links[pair], by)]
        if not tried.issuperset(joined):
            self._try_again(tried.union(joined), by)

    def _retried(self, link: Link, by: UUID | None) -> Collection[UUID]:
        """Try one link again; return the customer that came about."""
        reason = objection(self, link.left, link.right, link.said)
        if reason is None:
            by_names = self._needs_names(link.left, link.right, link.said)
            self.links[link.pair] = replace(
                link, state="made", reason=None, changed_by=by or link.changed_by, by_names=by_names
            )
            self.changed.add(link.pair)
            self._merge(self.customer(link.left), self.customer(link.right))
            return self.everybody(link.left)
        if reason != link.reason:
            self.links[link.pair] = replace(link, state=_state_for(reason), reason=reason)
            self.changed.add(link.pair)
        return ()

    def _merge(self, one: UUID, other: UUID) -> None:
        if one == other:
            return
        together = self.members.pop(one) | self.members.pop(other)
        self._assign(together)
        for pair in {pair for member in together for pair in self.pairs_of(member)}:
            link = self.links[pair]
            # What was refused between the two holds now, so that it is not missed when another link is cut.
            if link.state == "refused" and together.issuperset(pair):
                self.links[pair] = replace(link, state="made", reason=None)
                self.changed.add(pair)

    def _assign(self, part: set[UUID]) -> None:
        customer = min(part, key=self.precedence)
        self.members[customer] = part
        for one in part:
            self._before.setdefault(one, self.customer(one))
            self.customer_of[one] = customer

    def _moved(self) -> tuple[UUID, ...]:
        moved = [one for one, before in self._before.items() if self.customer(one) != before]
        self._before.clear()
        return tuple(sorted(moved, key=_by_id))


def _state_for(reason: str) -> LinkState:
    return "held" if reason == "quarantined" else "refused"


def _by_id(subject_id: UUID) -> int:
    return subject_id.int
