"""Owns who gets the credit for a purchase: the last list that showed the product to the customer before it.

A purchase is a product on one receipt, however many units. It is credited once, by `request_id`, where it follows
within so many days. People buy much of what they are shown anyway: credit is no proof of an effect.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Touch:
    """A product that a list showed to somebody; `clicked`: they acted on it there."""

    at: datetime
    request_id: UUID
    product_id: str
    clicked: bool = False


@dataclass(frozen=True, slots=True)
class Bought:
    """A product on a receipt."""

    at: datetime
    receipt_id: UUID
    product_id: str


@dataclass(frozen=True, slots=True)
class Credit:
    """A purchase and the touch that it is credited to."""

    touch: Touch
    receipt_id: UUID


def credited(touches: Iterable[Touch], purchases: Iterable[Bought], days: int) -> list[Credit]:
    """Credit each purchase to its product's last touch before it, if that is at most `days` old."""
    within = timedelta(days=days)
    by_product = _by_product(touches)
    credits_: dict[tuple[UUID, str], Credit] = {}
    for bought in purchases:
        touch = _last_before(by_product.get(bought.product_id, ()), bought.at)
        if touch is not None and bought.at - touch.at <= within:
            credits_[bought.receipt_id, bought.product_id] = Credit(touch, bought.receipt_id)
    return list(credits_.values())


def _by_product(touches: Iterable[Touch]) -> Mapping[str, Sequence[Touch]]:
    found: dict[str, list[Touch]] = {}
    for touch in sorted(touches, key=lambda touch: (touch.at, touch.request_id)):
        found.setdefault(touch.product_id, []).append(touch)
    return found


def _last_before(touches: Sequence[Touch], moment: datetime) -> Touch | None:
    place = bisect_left(touches, moment, key=lambda touch: touch.at)
    return touches[place - 1] if place else None
