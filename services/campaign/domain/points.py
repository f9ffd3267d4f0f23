"""Points: what a purchase is worth, lots that expire, and double-entry lines for every change.

The points of a sale and of all returns that name it are one *family*, kept as one lot. What the family is worth
is a function of the set of its receipts, so that a return may arrive before its sale. Where a sale took another's
place, because an order was edited, returns that name the other are of its family too.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Account(StrEnum):
    """The accounts of the ledger. The member's are positive where the member has something; debt is negative."""

    ACTIVE = "member.active"
    DEBT = "member.debt"
    ISSUED = "programme.issued"
    REDEEMED = "programme.redeemed"
    EXPIRED = "programme.expired"
    ADJUSTED = "programme.adjusted"


class Kind(StrEnum):
    """Why points moved."""

    EARNED = "earned"
    TAKEN_BACK = "taken_back"
    SPENT = "spent"
    EXPIRED = "expired"
    ADJUSTED = "adjusted"
    TRANSFERRED = "transferred"


CONTRA = {
    Kind.EARNED: Account.ISSUED,
    Kind.TAKEN_BACK: Account.ISSUED,
    Kind.SPENT: Account.REDEEMED,
    Kind.EXPIRED: Account.EXPIRED,
    Kind.ADJUSTED: Account.ADJUSTED,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a posting: what it adds to an account."""

    account: Account
    points: int


@dataclass(frozen=True, slots=True)
class Posting:
    """A balanced set of lines, known by why it was made: at most one per (source, source_id, kind).

    `source` is receipt, lot, request or transfer; `at` is when it happened.
    """

    kind: Kind
    source: str
    source_id: str
    at: datetime
    lines: tuple[Line, ...]

    @property
    def points(self) -> int:
        """What the member gained; negative: lost."""
        return sum(line.points for line in self.lines if line.account in {Account.ACTIVE, Account.DEBT})


@dataclass(frozen=True, slots=True)
class Lot:
    """Points earned together, which expire together.

    `earned` is what the sale gave, `taken_back` what returns and voids took of it; `remaining` can be spent;
    `expired` ran out.
    """

    lot_id: UUID
    expires_at: datetime
    earned: int = 0
    taken_back: int = 0
    remaining: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class Borrowed:
    """Points of one subject's lot that were taken for another subject of the same customer.

    `kind` says what for. They are given back, and taken from the borrower, once the two are two customers.
    """

    request_id: UUID
    lot_id: UUID
    subject_id: UUID
    borrower_id: UUID
    points: int
    kind: Kind
    at: datetime

    @property
    def transfer_id(self) -> str:
        return f"{self.request_id}/{self.lot_id}"


@dataclass(frozen=True, slots=True)
class Member:
    """A receipt's part in a family: the sale's own part, or goods that a return brought back; minor units.

    `own_returned_minor` came back on the sale's own receipt, as in an exchange or a return that names no sale.
    `link_ids` are the voids by which a return that names an older receipt of an edited order came to this one.
    """

    receipt_id: UUID
    occurred_at: datetime
    sold_minor: int = 0
    own_returned_minor: int = 0
    named_returned_minor: int = 0
    void_id: UUID | None = None
    voided_at: datetime | None = None
    link_ids: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Cause:
    """The receipt or void that changed what a family is worth, and when it happened."""

    cause_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Family:
    """A sale and the returns that name it; `sale` is None while only returns have arrived."""

    family_id: UUID
    sale: Member | None = None
    returns: tuple[Member, ...] = ()

    def worth(self, unit_minor: int) -> tuple[int, int]:
        """Return (points earned, points taken back).

        Only whole points of what is left in the end count: buying and returning in small pieces gains nothing
        and costs nothing. A return whose sale is not known takes nothing until it is.
        """
        if self.sale is None:
            return 0, 0
        earned = self.sale.sold_minor // unit_minor
        if self.sale.void_id is not None:
            return earned, earned
        named = sum(member.named_returned_minor for member in self.returns if member.void_id is None)
        left = max(self.sale.sold_minor - named, 0) - self.sale.own_returned_minor
        whole = left // unit_minor if left >= 0 else -(-left // unit_minor)
        return earned, earned - whole

    def growth(self, fresh: Collection[UUID]) -> list[tuple[Cause, "Family"]]:
        """Return each receipt or void that is new, in a fixed order, with the family after it.

        `fresh` are the ids of receipts and voids not counted yet. When the sale itself is new, everything that
        waited for it is counted now.
        """
        waited = self.sale is None or self.sale.receipt_id in fresh
        members = [member for member in (self.sale, *sorted(self.returns, key=_age)) if member is not None]
        is_new = {
            member.receipt_id: waited or member.receipt_id in fresh or not member.link_ids.isdisjoint(fresh)
            for member in members
        }
        voids = [member for member in members if member.void_id is not None]
        new_voids = [member for member in voids if is_new[member.receipt_id] or member.void_id in fresh]
        counted = {member.receipt_id for member in members if not is_new[member.receipt_id]}
        voided = {member.receipt_id for member in voids if member not in new_voids}
        steps = []
        for member in members:
            if is_new[member.receipt_id]:
                counted.add(member.receipt_id)
                steps.append((Cause(member.receipt_id, member.occurred_at), self._of(counted, voided)))
        for member in new_voids:
            assert member.void_id is not None
            voided.add(member.receipt_id)
            at = member.voided_at or member.occurred_at
            steps.append((Cause(member.void_id, at), self._of(counted, voided)))
        return steps

    def _of(self, counted: Collection[UUID], voided: Collection[UUID]) -> "Family":
        def seen(member: Member) -> Member:
            return member if member.void_id is None or member.receipt_id in voided else replace(member, void_id=None)

        sale = seen(self.sale) if self.sale is not None and self.sale.receipt_id in counted else None
        returns = tuple(seen(member) for member in self.returns if member.receipt_id in counted)
        return Family(self.family_id, sale, returns)


def _age(member: Member) -> tuple[datetime, UUID]:
    return member.occurred_at, member.receipt_id


@dataclass(slots=True)
class Wallet:
    """The points of one subject while they change: open lots by id, debt, and the postings made so far."""

    lots: dict[UUID, Lot] = field(default_factory=dict)
    debt: int = 0
    postings: list[Posting] = field(default_factory=list)
    changed: set[UUID] = field(default_factory=set)

    @property
    def active(self) -> int:
        return sum(lot.remaining for lot in self.lots.values())

    def settle(self, fresh_lot: Lot, worth: tuple[int, int], cause: Cause) -> None:
        """Bring a family's lot to what the family is worth; `fresh_lot` is used when it has none yet."""
        lot_id = fresh_lot.lot_id
        lot = self.lots.setdefault(lot_id, fresh_lot)
        earned, taken_back = worth
        gained, lost = earned - lot.earned, taken_back - lot.taken_back
        if gained:
            self._update(replace(lot, earned=earned))
            why = _Why(Kind.EARNED, "receipt", str(cause.cause_id), cause.at)
            self._credit(lot_id, gained, why)
        if lost:
            self._update(replace(self.lots[lot_id], taken_back=taken_back))
            # One receipt may touch two families: an exchange that returns another sale's goods, and its void.
            why = _Why(Kind.TAKEN_BACK, "receipt", f"{cause.cause_id}/{lot_id}", cause.at)
            if lost > 0:
                self._debit(lot_id, lost, why)
            else:
                self._credit(lot_id, -lost, why)

    def add(self, lot: Lot, source_id: str, at: datetime) -> None:
        """Give the points of a new lot by hand."""
        self.lots[lot.lot_id] = lot
        self._credit(lot.lot_id, lot.earned, _Why(Kind.ADJUSTED, "request", source_id, at))

    def take(self, points: int, kind: Kind, source_id: str, at: datetime) -> int:
        """Take up to `points` of what is active, the soonest to expire first; return how many were taken."""
        lines = self._from_lots(points, self._soonest_first())
        taken = _taken(lines)
        self._post(_Why(kind, "request", source_id, at), [*lines, Line(CONTRA[kind], taken)])
        return taken

    def get_back(self, borrowed: Borrowed, at: datetime) -> None:
        """Put points back into the lot that they were taken from for somebody else; debts are paid first."""
        why = _Why(Kind.TRANSFERRED, "transfer", f"{borrowed.transfer_id}/back", at)
        self._credit(borrowed.lot_id, borrowed.points, why, CONTRA[borrowed.kind])

    def pay_for(self, borrowed: Borrowed, at: datetime) -> None:
        """Take what was borrowed from what is here, the soonest to expire first; the rest is owed."""
        lines = self._from_lots(borrowed.points, self._soonest_first())
        owed = borrowed.points - _taken(lines)
        self.debt += owed
        lines += [Line(Account.DEBT, -owed), Line(CONTRA[borrowed.kind], borrowed.points)]
        self._post(_Why(Kind.TRANSFERRED, "transfer", f"{borrowed.transfer_id}/paid", at), lines)

    def expire(self, now: datetime) -> None:
        """Let every lot past its time run out."""
        for lot in self._soonest_first():
            if lot.remaining and lot.expires_at <= now:
                self._update(replace(lot, remaining=0, expired=lot.expired + lot.remaining))
                lines = [Line(Account.ACTIVE, -lot.remaining), Line(Account.EXPIRED, lot.remaining)]
                # A lot can run out again, at a later look, after points came back to it.
                why = _Why(Kind.EXPIRED, "lot", f"{lot.lot_id}/{now.isoformat()}", lot.expires_at)
                self._post(why, lines)

    def _credit(self, lot_id: UUID, points: int, why: "_Why", contra: Account | None = None) -> None:
        """Pay what is owed first; the rest is the lot's."""
        repaid = min(self.debt, points)
        self.debt -= repaid
        lot = self.lots[lot_id]
        self._update(replace(lot, remaining=lot.remaining + points - repaid))
        lines = [Line(Account.ACTIVE, points - repaid), Line(Account.DEBT, repaid)]
        self._post(why, [*lines, Line(contra or CONTRA[why.kind], -points)])

    def _debit(self, lot_id: UUID, points: int, why: "_Why") -> None:
        """Take from the lot itself, also what of it had run out; then from the others; the rest is owed."""
        lines = self._from_lots(points, [self.lots[lot_id]])
        own = self.lots[lot_id]
        unexpired = min(own.expired, points - _taken(lines))
        if unexpired:
            self._update(replace(own, expired=own.expired - unexpired))
            lines.append(Line(Account.EXPIRED, -unexpired))
        lines += self._from_lots(points - _taken(lines), self._soonest_first())
        owed = points - _taken(lines)
        self.debt += owed
        self._post(why, [*lines, Line(Account.DEBT, -owed), Line(CONTRA[why.kind], points)])

    def _from_lots(self, points: int, lots: Iterable[Lot]) -> list[Line]:
        taken = 0
        for lot in lots:
            part = min(lot.remaining, points - taken)
            if part:
                self._update(replace(lot, remaining=lot.remaining - part))
                taken += part
        return [Line(Account.ACTIVE, -taken)]

    def _soonest_first(self) -> list[Lot]:
        return sorted(self.lots.values(), key=lambda lot: (lot.expires_at, lot.lot_id))

    def _update(self, lot: Lot) -> None:
        self.lots[lot.lot_id] = lot
        self.changed.add(lot.lot_id)

    def _post(self, why: "_Why", lines: Sequence[Line]) -> None:
        """Book the lines, one per account, without those that change nothing."""
        sums: dict[Account, int] = {}
        for line in lines:
            sums[line.account] = sums.get(line.account, 0) + line.points
        kept = tuple(Line(account, points) for account, points in sums.items() if points)
        assert sum(line.points for line in kept) == 0, "a posting balances"
        if kept:
            self.postings.append(Posting(why.kind, why.source, why.source_id, why.at, kept))


@dataclass(frozen=True, slots=True)
class _Why:
    kind: Kind
    source: str
    source_id: str
    at: datetime


def _taken(lines: Iterable[Line]) -> int:
    return -sum(line.points for line in lines)
