"""Owns what a customer did with one product, and how much of it is kept.

It is a function of the *set* of receipts: counts commute, the last is an extreme, the kept purchases are the latest
by (time, receipt id).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

KEPT_PURCHASES = 20
KEPT_BASKETS = 400
KEPT_PRODUCTS = 400

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def days_since_epoch(at: datetime) -> float:
    """Return an aware time as days since 1970-01-01 UTC: the unit of every time in features."""
    return (at - _EPOCH) / _DAY


@dataclass(frozen=True, slots=True)
class Line:
    product_id: str
    quantity: float = 1.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """A sale as this service sees it."""

    receipt_id: str
    at: datetime
    store_id: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class OwnProduct:
    """What one customer did with one product.

    `days` are those (UTC, counted from 1970-01-01) of the latest KEPT_PURCHASES purchases, ascending, each once.
    """

    product_id: str
    count: int
    last_at: datetime
    days: tuple[int, ...]
