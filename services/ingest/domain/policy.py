"""What each kind of identifier may do: how many a customer has, when it is shared by too many, when it is stale.

The one table of these rules. Figures that an operator changes are settings; they end up in `Policy`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from shared.identity import strength_rank, subject_kind_of

RULE_VERSION = 4
"""Kept with every link: which rules made it."""

SUBJECTS_MAX = 50
"""Identifiers a customer has at most; claimed receipts are not counted among them."""

GUEST = "guest"
"""The namespace of a receipt that nobody was named on, once it is claimed."""

GUESTS_MAX = 200
"""Claimed receipts that a customer has at most."""

MARKS_MAX = 50
"""Names and birthdays that are kept of one identifier; a family's e-mail address has a handful."""

HELD_MAX = 100
"""Links that are kept of one identifier; what a tablet in a store meets beyond them tells nothing new."""


@dataclass(frozen=True, slots=True)
class NamespaceRule:
    """One kind of identifier.

    `per_customer` of them are one person's without further ado, up to `agreed_max` where two other identifiers
    of different kinds say so independently. `strong_max` strong ones of one kind, or `weak_max` others of one
    kind, may be seen together with one of these; past that it is shared, and put into quarantine.
    """

    per_customer: int
    agreed_max: int
    strong_max: int
    weak_max: int
    is_strong: bool = False
    by_weak: int = SUBJECTS_MAX
    """So many that another weak one alone can bring to a customer: a family's e-mail brings no second phone."""


_RULES: Mapping[str, NamespaceRule] = {
    "loyalty_card": NamespaceRule(1, 5, strong_max=5, weak_max=4, is_strong=True),
    "user_id": NamespaceRule(1, 1, strong_max=5, weak_max=6, is_strong=True),
    "wechat_unionid": NamespaceRule(1, 1, strong_max=5, weak_max=6, is_strong=True),
    "phone": NamespaceRule(5, 5, strong_max=3, weak_max=6, by_weak=1),
    "email": NamespaceRule(5, 5, strong_max=3, weak_max=6, by_weak=1),
    "wechat_openid": NamespaceRule(10, 10, strong_max=3, weak_max=6),
    "card_token": NamespaceRule(20, 20, strong_max=4, weak_max=8),
    "anonymous_id": NamespaceRule(30, 30, strong_max=5, weak_max=8),
    GUEST: NamespaceRule(GUESTS_MAX, GUESTS_MAX, strong_max=2, weak_max=2),
}
_EXTERNAL = NamespaceRule(SUBJECTS_MAX, SUBJECTS_MAX, strong_max=5, weak_max=8)

STRONG = tuple(sorted(namespace for namespace, rule in _RULES.items() if rule.is_strong))
"""The kinds that name one person for good."""

RENAMED_MAX = 3
"""User ids of one customer where the shop's own system says that one became the other (`alias`)."""

RANK_OF_GUESTS = (100, GUEST)


def rule_of(namespace: str) -> NamespaceRule:
    """Return the rule of a kind of identifier; another system's own ids have one rule together."""
    return _RULES.get(namespace, _EXTERNAL)


def rank_of(namespace: str) -> tuple[int, str]:
    """Sort key, strongest first, of everything that can belong to a customer."""
    return RANK_OF_GUESTS if namespace == GUEST else strength_rank(namespace)


def is_device(namespace: str) -> bool:
    return namespace != GUEST and subject_kind_of(namespace) == "device"


@dataclass(frozen=True, slots=True)
class Policy:
    """The figures that an operator may change.

    A phone number not seen for `fresh_days` before it comes with somebody else's stronger identifier was issued
    again. More receipts a day, or tills an hour, than these are no single shopper's; 0 does not look.
    """

    fresh_days: Mapping[str, int] = field(default_factory=lambda: {"phone": 180})
    receipts_per_day_max: int = 0
    tills_per_hour_max: int = 0

    def ages(self, namespace: str) -> bool:
        return namespace in self.fresh_days

    def is_stale(self, namespace: str, last_seen_at: datetime, at: datetime) -> bool:
        """Whether an identifier was silent for so long that it may be somebody else's by now."""
        days = self.fresh_days.get(namespace)
        return days is not None and at - last_seen_at > timedelta(days=days)

    @property
    def watches(self) -> bool:
        return bool(self.receipts_per_day_max or self.tills_per_hour_max)

    def is_beyond_human(self, receipts_in_day: int, tills_in_hour: int) -> str | None:
        """Return why so many sightings cannot be one shopper's, or None."""
        if self.receipts_per_day_max and receipts_in_day > self.receipts_per_day_max:
            return "too_many_receipts"
        if self.tills_per_hour_max and tills_in_hour > self.tills_per_hour_max:
            return "too_many_tills"
        return None

    def stays_fresh(self, namespace: str, last_seen_at: datetime, at: datetime, *, is_alone: bool) -> bool:
        """Whether this sighting shows that an identifier is still the same person's.

        Alone and after a long silence it may be its next holder's, and so proves nothing.
        """
        return at > last_seen_at and not (is_alone and self.is_stale(namespace, last_seen_at, at))


def is_somebody_elses(subject_id: UUID, holder: UUID, others: Collection[UUID]) -> bool:
    """Whether a stale identifier changed hands: it is a customer's with a stronger one, who is none of those.

    `holder` is the customer that the identifier's subject belongs to, `others` the customers of the other
    identifiers that it comes with now.
    """
    return holder != subject_id and holder not in others
