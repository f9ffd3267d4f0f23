"""What each service has to hold, counted again from the archive alone."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from regulars.verification.archive import Archive, Receipt

Key: TypeAlias = tuple[str, ...]
Figures: TypeAlias = Mapping[Key, tuple[int, ...]]
"""Numbers by what they are of, such as (subject, currency)."""

SOLD = frozenset({"sale", "exchange"})
RETURNED = frozenset({"return", "exchange"})


def totals(archive: Archive) -> Figures:
    """Return (receipts, returns, gross, net) of every subject and currency; amounts in minor units.

    A void whose sale is not there lowers net until the sale arrives.
    """
    summed = _Sums(4)
    for _, receipt in archive.counted():
        sold, given_back = receipt.sold_minor, receipt.returned_minor
        figures = (receipt.kind in SOLD, receipt.kind in RETURNED, sold, sold - given_back)
        summed.add((receipt.subject_id, receipt.currency), figures)
    for receipt_id in archive.voids.keys() - archive.receipts.keys():
        for void in archive.voids[receipt_id].values():
            summed.add((void.subject_id, void.currency), (0, 0, 0, -void.amount_minor))
    return summed.figures()


def receipts_and_amounts(archive: Archive) -> Figures:
    """Return (receipts of any kind, sold, given back) of every subject and currency; amounts in minor units."""
    summed = _Sums(3)
    for _, receipt in archive.counted():
        summed.add((receipt.subject_id, receipt.currency), (1, receipt.sold_minor, receipt.returned_minor))
    return summed.figures()


def receipts(archive: Archive) -> Figures:
    """Return (receipts of any kind, products bought, each once a receipt) of every subject."""
    summed = _Sums(2)
    for _, receipt in archive.counted():
        summed.add((receipt.subject_id,), (1, len(receipt.bought)))
    return summed.figures()


def purchases(archive: Archive) -> Figures:
    """Return (receipts with the product bought,) of every day, store and product."""
    counted: Counter[Key] = Counter()
    for _, receipt in archive.counted():
        counted.update((receipt.day, receipt.store_id, product_id) for product_id in receipt.bought)
    return {key: (count,) for key, count in counted.items()}


@dataclass(frozen=True, slots=True)
class PointRule:
    """One point for each whole `unit_minor` of net spend in the chain's currency; others earn nothing."""

    currency: str
    unit_minor: int


def points(archive: Archive, rule: PointRule, units_minor: Mapping[str, int]) -> Figures:
    """Return (points earned, points taken back) of every subject.

    `units_minor` tells, by receipt, the unit that was the rule when its points were given: a new rule leaves old
    sales alone. Without one, the dearest known unit is taken, for the receipt may have come under any of them.
    """
    dearest = max([rule.unit_minor, *units_minor.values()])
    brought_back = _brought_back(archive, rule.currency)
    summed = _Sums(2)
    for receipt_id, receipt in archive.receipts.items():
        if not receipt.training and receipt.currency == rule.currency:
            unit = units_minor.get(receipt_id, dearest)
            earned = receipt.sold_minor // unit
            left = 0 if receipt_id in archive.voids else _whole(_left_minor(receipt, brought_back[receipt_id]), unit)
            summed.add((receipt.subject_id,), (earned, earned - left))
    return summed.figures()


def _brought_back(archive: Archive, currency: str) -> Counter[str]:
    """Return the worth of the goods that later receipts brought back, by the sale that stands for whom they name."""
    counted: Counter[str] = Counter()
    for _, receipt in archive.counted():
        if receipt.returns_receipt_id is not None and receipt.currency == currency:
            counted[archive.in_its_place(receipt.returns_receipt_id)] += receipt.returned_minor
    return counted


def _left_minor(receipt: Receipt, brought_back_minor: int) -> int:
    """Return what a receipt came to in the end; below zero where it only gives back.

    Goods of another sale lower what that sale is worth, and not the receipt that brings them.
    """
    own_returned = 0 if receipt.returns_receipt_id is not None else receipt.returned_minor
    return max(receipt.sold_minor - brought_back_minor, 0) - own_returned


def _whole(amount_minor: int, unit_minor: int) -> int:
    """Return the whole points of an amount, rounded towards nothing."""
    whole = abs(amount_minor) // unit_minor
    return whole if amount_minor >= 0 else -whole


class _Sums:
    """Sums of several numbers by key."""

    def __init__(self, width: int) -> None:
        self._sums: defaultdict[Key, list[int]] = defaultdict(lambda: [0] * width)

    def add(self, key: Key, numbers: tuple[int, ...]) -> None:
        sums = self._sums[key]
        for place, number in enumerate(numbers):
            sums[place] += number

    def figures(self) -> Figures:
        return {key: tuple(sums) for key, sums in self._sums.items() if any(sums)}
