"""What was bought and given back: one receipt's part in the totals, and the folding of totals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Literal
from uuid import UUID

SALES = frozenset({"sale", "exchange"})
RETURNS = frozenset({"return", "exchange"})

Line = tuple[str, str, int]
"""Product, quantity as decimal text, amount in minor units (below zero: given back)."""


@dataclass(frozen=True, slots=True)
class ReceiptFact:
    """One receipt as it is kept. Amounts are positive minor units of `currency`."""

    receipt_id: UUID
    event_id: UUID
    subject_id: UUID
    subject_kind: str
    kind: Literal["sale", "return", "exchange"]
    training: bool
    store_id: str
    occurred_at: datetime
    business_date: date
    utc_offset_minutes: int
    currency: str
    sold_minor: int
    returned_minor: int
    items: int
    used_coupon: bool
    channel: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class VoidFact:
    """One void as it is kept; the receipt it takes back may be known, or arrive later, or never."""

    receipt_id: UUID
    event_id: UUID
    voids_receipt_id: UUID
    subject_id: UUID
    subject_kind: str
    store_id: str
    occurred_at: datetime
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over receipts of one currency; `+` and `-` make them independent of the order of arrival."""

    receipts: int = 0
    returns: int = 0
    items: int = 0
    gross_minor: int = 0
    returned_minor: int = 0
    unknown_void_minor: int = 0

    @property
    def net_minor(self) -> int:
        """Gross without returns, and without voids of receipts that never arrived."""
        return self.gross_minor - self.returned_minor - self.unknown_void_minor

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __neg__(self) -> "Figures":
        return Figures(*(-getattr(self, f.name) for f in fields(self)))


NOTHING = Figures()


def counted(kind: str, *, training: bool, sold_minor: int, returned_minor: int, items: int) -> Figures:
    """Return what a receipt that is not voided adds to the totals; training adds nothing.

    An exchange is both: its kept lines are a sale, its returned ones a return.
    """
    if training:
        return NOTHING
    return Figures(
        receipts=int(kind in SALES),
        returns=int(kind in RETURNS),
        items=items,
        gross_minor=sold_minor,
        returned_minor=returned_minor,
    )


def counted_of(fact: ReceiptFact) -> Figures:
    return counted(
        fact.kind,
        training=fact.training,
        sold_minor=fact.sold_minor,
        returned_minor=fact.returned_minor,
        items=fact.items,
    )


def pieces(quantity: str) -> int:
    """Return how many items a line is: its pieces, or one for goods sold by measure (`"0.486"`)."""
    whole, _, fraction = quantity.partition(".")
    return 1 if fraction.strip("0") else int(whole)


@dataclass(frozen=True, slots=True)
class Totals:
    """A subject's or customer's figures in one currency; the times are those of counted sales."""

    currency: str
    figures: Figures
    first_at: datetime | None = None
    last_at: datetime | None = None

    def merged(self, other: "Totals") -> "Totals":
        """Return the totals of both together."""
        assert self.currency == other.currency
        return Totals(
            self.currency,
            self.figures + other.figures,
            min((at for at in (self.first_at, other.first_at) if at), default=None),
            max((at for at in (self.last_at, other.last_at) if at), default=None),
        )


@dataclass(frozen=True, slots=True)
class CustomerTotals:
    """A customer's figures: those in the main currency, and the others apart, never added up."""

    main: Totals
    others: tuple[Totals, ...] = ()

    @property
    def first_at(self) -> datetime | None:
        return min((each.first_at for each in (self.main, *self.others) if each.first_at), default=None)

    @property
    def last_at(self) -> datetime | None:
        return max((each.last_at for each in (self.main, *self.others) if each.last_at), default=None)


def fold_totals(of_subjects: Iterable[Totals], chain_currency: str) -> CustomerTotals:
    """Fold subjects into a customer.

    The main currency is the one with the most sales; the chain's own where that is a tie, then the first by
    name. Currencies without anything to show are left out.
    """
    by_currency: dict[str, Totals] = {}
    for totals in of_subjects:
        known = by_currency.get(totals.currency)
        by_currency[totals.currency] = totals if known is None else known.merged(totals)
    shown = [totals for totals in by_currency.values() if totals.figures != NOTHING]
    ordered = sorted(shown, key=lambda each: (-each.figures.receipts, each.currency != chain_currency, each.currency))
    if not ordered:
        return CustomerTotals(Totals(chain_currency, NOTHING))
    return CustomerTotals(ordered[0], tuple(ordered[1:]))


@dataclass(frozen=True, slots=True)
class Visit:
    """One counted sale, as far as habits and stages of life need it."""

    at: datetime
    business_date: date
    store_id: str
    utc_offset_minutes: int
    used_coupon: bool


@dataclass(frozen=True, slots=True)
class CategorySpend:
    """What a customer spent on one category, net of what came back; `share` is of all categorised spend, 0 to 1."""

    category: str
    amount_minor: int
    purchases: int
    share: float


def favourites(spend: Mapping[str, tuple[int, int]], limit: int) -> list[CategorySpend]:
    """Return the categories with the most spend, each with its share; what was all given back is left out.

    `spend` maps a category to its net amount (minor units) and the number of receipts it was on.
    """
    kept = {category: figures for category, figures in spend.items() if figures[0] > 0}
    total = sum(amount for amount, _ in kept.values())
    ordered = sorted(kept.items(), key=lambda item: (-item[1][0], item[0]))[:limit]
    return [
        CategorySpend(category, amount, purchases, round(amount / total, 4))
        for category, (amount, purchases) in ordered
    ]
