"""What stands against a link: quarantine, limits, people kept apart, other names, identifiers that several claim."""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from services.ingest.domain.links import Pair, Said, pair_of
from services.ingest.domain.marks import Marks, are_same, difference
from services.ingest.domain.people import People
from services.ingest.domain.policy import GUEST, RENAMED_MAX, SUBJECTS_MAX, is_device, rank_of, rule_of

AGREEING_MIN = 2
"""So many kinds of evidence, identifiers or names, must agree before two loyalty cards are one person's."""


def objection(people: People, left: UUID, right: UUID, said: Said, *, believes_names: bool = True) -> str | None:
    """Return why two subjects are not linked by what was said; None where nothing stands against it.

    `believes_names`: whether it may rest on names and birthdays that agree.
    """
    if people.known[left].is_held or people.known[right].is_held:
        return "quarantined"
    if people.customer(left) == people.customer(right):
        return None
    reason = _forbidden(people, left, right)
    if reason is not None or said.is_decided:
        return reason
    if is_contested(people, left) or is_contested(people, right):
        return "contested"
    if said.cause == "seen_together" and _are_others(people, left, right):
        return "names_differ"
    return _over_limit(people, left, right, said, believes_names=believes_names)


def _are_others(people: People, left: UUID, right: UUID) -> bool:
    """Whether names say that the two customers are two people: name and birthday differ, or the name alone.

    Where two kinds of identifier agree, the name alone may be one that somebody else filled in.
    """
    everybody = people.everybody(left) | people.everybody(right)
    told = {marks for one in everybody for marks in people.marks_of(one)}
    if len(told) <= 1:
        return False
    by = difference(*told_of_each(people, left, right))
    return by == "both" or (by == "name" and agreeing(people, left, right) < AGREEING_MIN)


def _forbidden(people: People, left: UUID, right: UUID) -> str | None:
    """Return what not even a person's word is above."""
    one, other = people.customer(left), people.customer(right)
    for end, customer in ((left, one), (right, other)):
        if people.known[end].is_device and people.has_person(customer):
            return "device_is_shared"
    if people.size(one) + people.size(other) > SUBJECTS_MAX:
        return "too_many_subjects"
    return "kept_apart" if people.are_kept_apart(one, other) else None


def _over_limit(people: People, left: UUID, right: UUID, said: Said, *, believes_names: bool) -> str | None:
    """Return the limit that the two customers together would break."""
    one, other = (people.namespaces(people.customer(end)) for end in (left, right))
    shared = sorted(one.keys() & other.keys(), key=rank_of)
    if not shared:
        return None
    is_same = believes_names and are_same(*told_of_each(people, left, right))
    kinds = {people.known[end].namespace for end in (left, right)}
    is_weak = not is_same and len(kinds) > 1 and not any(rule_of(kind).is_strong for kind in kinds)
    for namespace in shared:
        count, rule = one[namespace] + other[namespace], rule_of(namespace)
        limit = min(rule.per_customer, rule.by_weak) if is_weak else rule.per_customer
        if count <= limit or (said.cause == "alias" and count <= RENAMED_MAX):
            continue
        if count > rule.agreed_max or agreeing(people, left, right) + is_same < AGREEING_MIN:
            return f"limit_{namespace}"
    return None


def told_of_each(people: People, left: UUID, right: UUID) -> tuple[set[Marks], set[Marks]]:
    """Return what was said of the names of two customers, by what each has alone.

    What was said together with an identifier that both use does not tell whose it is: a family's e-mail address has
    all their names.
    """
    one, other = people.everybody(left), people.everybody(right)
    both = (one | people.met_by(one)) & (other | people.met_by(other))
    both |= {end for end in (left, right) if not rule_of(people.known[end].namespace).is_strong}
    return _told_of(people, one - both or one), _told_of(people, other - both or other)


def _told_of(people: People, members: Collection[UUID]) -> set[Marks]:
    """Return what was said of somebody's name with their cards and accounts; where no name was, with the rest too."""
    strong = [one for one in members if rule_of(people.known[one].namespace).is_strong]
    told = {marks for one in strong for marks in people.marks_of(one)}
    if any(marks.given for marks in told):
        return told
    return told | {marks for one in members for marks in people.marks_of(one)}


def agreeing(people: People, left: UUID, right: UUID) -> int:
    """Count the kinds of identifier that two customers share, by this link and by those refused before.

    What one saying names is one piece of evidence: an e-mail of the one seen with a phone of the other says that one
    of the two is shared, and not that both are.
    """
    one, other = people.everybody(left), people.everybody(right)
    shared = (people.met_by(one) & people.met_by(other)) - one - other
    unsure: list[list[UUID]] = []
    for pair in _crossing(people, one, other) | {pair_of(left, right)}:
        weak = [end for end in pair if not rule_of(people.known[end].namespace).is_strong]
        if len(weak) == 1:
            shared.add(weak[0])
        else:
            unsure.append(weak)
    for weak in sorted(unsure):
        if shared.isdisjoint(weak):
            shared.update(sorted(weak, key=people.precedence)[-1:])
    return len(_weak_kinds(people, shared))


def _crossing(people: People, one: Iterable[UUID], other: set[UUID]) -> set[Pair]:
    """Return what was said between two customers."""
    said = {pair for member in one for pair in people.pairs_of(member)}
    return {pair for pair in said if people.links[pair].is_seen and not other.isdisjoint(pair)}


def _weak_kinds(people: People, subject_ids: Iterable[UUID]) -> set[str]:
    kinds = {people.known[one].namespace for one in subject_ids}
    return {kind for kind in kinds if not rule_of(kind).is_strong and not is_device(kind)}


def is_contested(people: People, subject_id: UUID) -> bool:
    """Whether two customers' cards (or accounts) claim a phone or e-mail: then it says of neither who it is."""
    known = people.known[subject_id]
    if known.is_device or known.namespace == GUEST or rule_of(known.namespace).is_strong:
        return False
    claims: dict[str, set[UUID]] = {}
    for pair in people.pairs_of(subject_id):
        link = people.links[pair]
        if link.state == "made" and link.said.is_decided:
            return False
        other = people.known[pair[0] if pair[1] == subject_id else pair[1]]
        if link.is_seen and rule_of(other.namespace).is_strong and not other.is_held:
            claims.setdefault(other.namespace, set()).add(people.customer(other.subject_id))
    return any(len(customers) > 1 for customers in claims.values())


def is_shared(people: People, subject_id: UUID) -> bool:
    """Whether an identifier was seen with more others than one person's would be."""
    known = people.known[subject_id]
    if known.quarantine != "free":
        return False
    rule = rule_of(known.namespace)
    return any(
        len(others) > (rule.strong_max if rule_of(namespace).is_strong else rule.weak_max)
        for namespace, others in _met(people, subject_id).items()
        if namespace != GUEST and not is_device(namespace)
    )


def _met(people: People, subject_id: UUID) -> Mapping[str, set[UUID]]:
    """Return whom a subject was seen with, by kind, those in quarantine aside."""
    met: dict[str, set[UUID]] = {}
    for pair in people.pairs_of(subject_id):
        other = people.known[pair[0] if pair[1] == subject_id else pair[1]]
        if people.links[pair].state != "cut" and not other.is_held:
            met.setdefault(other.namespace, set()).add(other.subject_id)
    return met
