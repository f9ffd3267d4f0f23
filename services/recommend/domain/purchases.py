"""Owns what a customer did with one product: the purchases that are kept of it, and its statistics.

They are a function of the *set* of receipts: counts and sums commute, first and last are extremes, the kept purchases
are the latest by (time, receipt id), and decayed counters are held at the product's own last time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

KEPT_PURCHASES = 20
KEPT_BASKETS = 400
KEPT_PRODUCTS = 400
HALF_LIVES_DAYS = (15.0, 45.0, 120.0)

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def days_since_epoch(at: datetime) -> float:
    """Return an aware time as days since 1970-01-01 UTC: the unit of every time in features."""
    return (at - _EPOCH) / _DAY


@dataclass(frozen=True, slots=True, order=True)
class Purchase:
    """One product in one basket. `basket_size` counts distinct products; `quantity` sums its lines."""

    at: datetime
    receipt_id: str
    store_id: str
    quantity: float
    basket_size: int


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
    """What one customer did with one product; `recent` holds the latest purchases, oldest first."""

    product_id: str
    count: int
    quantity: float
    first_at: datetime
    last_at: datetime
    recent: tuple[Purchase, ...]
    decayed: tuple[float, ...]
    """Purchases decayed to `last_at`, one counter per entry of HALF_LIVES_DAYS."""

    def decayed_at(self, now: datetime) -> tuple[float, ...]:
        """Return the decayed counters as of `now`."""
        return tuple(value * _fade(now - self.last_at, half) for value, half in _paired(self.decayed))


def own_product(product_id: str, purchases: list[Purchase]) -> OwnProduct:
    """Return the statistics of purchases in order of time."""
    last_at = purchases[-1].at
    ages = [(last_at - purchase.at) / _DAY for purchase in purchases]
    return OwnProduct(
        product_id=product_id,
        count=len(purchases),
        quantity=sum([purchase.quantity for purchase in purchases]),
        first_at=purchases[0].at,
        last_at=last_at,
        recent=tuple(purchases[-KEPT_PURCHASES:]),
        decayed=tuple([sum([0.5 ** (age / half) for age in ages]) for half in HALF_LIVES_DAYS]),
    )


def _paired(decayed: tuple[float, ...]) -> Iterable[tuple[float, float]]:
    return zip(decayed, HALF_LIVES_DAYS, strict=True)


def _fade(age: timedelta, half_life_days: float) -> float:
    return float(0.5 ** (age / _DAY / half_life_days))
