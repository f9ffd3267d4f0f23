"""Recency, frequency, money: scores of 1 to 5 among all customers, and the groups they make."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.profile.domain.purchases import CustomerTotals

FIFTHS = 5


@dataclass(frozen=True, slots=True)
class Bounds:
    """The upper ends of the first four fifths of all customers of one currency, as of a moment."""

    currency: str
    as_of: datetime
    recency_days: Sequence[int]
    frequency: Sequence[int]
    monetary_minor: Sequence[int]


@dataclass(frozen=True, slots=True)
class Rfm:
    """A customer's figures over their whole history; `cell` is three digits, 555 the best, None before bounds."""

    recency_days: int
    frequency: int
    monetary_minor: int
    cell: str | None


def rfm_of(totals: CustomerTotals, bounds: Bounds | None, now: datetime) -> Rfm | None:
    """Return the figures; None for somebody who bought nothing.

    Frequency counts sales; money is the net amount in the main currency.
    """
    last_at = totals.main.last_at
    if last_at is None:
        return None
    recency_days = max((now - last_at).days, 0)
    frequency, monetary_minor = totals.main.figures.receipts, totals.main.figures.net_minor
    return Rfm(recency_days, frequency, monetary_minor, cell_of(bounds, recency_days, frequency, monetary_minor))


def cell_of(bounds: Bounds | None, recency_days: int, frequency: int, monetary_minor: int) -> str | None:
    """Return the cell; a figure equal to a fifth's upper end belongs to that fifth."""
    if bounds is None:
        return None
    recency = FIFTHS - bisect_left(bounds.recency_days, recency_days)
    often = 1 + bisect_left(bounds.frequency, frequency)
    money = 1 + bisect_left(bounds.monetary_minor, monetary_minor)
    return f"{recency}{often}{money}"


@dataclass(frozen=True, slots=True)
class Scores:
    """A cell, taken apart."""

    recency: int
    frequency: int
    monetary: int

    @classmethod
    def of(cls, cell: str) -> "Scores":
        return cls(*map(int, cell))
