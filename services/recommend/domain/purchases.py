"""Owns what a customer has bought, product by product: the statistics and the rules that bring them up to date.

A state is a function of the *set* of receipts: counts and sums commute, first and last are extremes, the kept
purchases are the latest by (time, receipt id), and decayed counters are held at the row's own last time. Receipts
may therefore be applied in any order (decayed counters then agree to rounding). A receipt that is taken back (void)
is handled by folding the remaining receipts again: the latest-purchases ring cannot give back what it dropped.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True, slots=True, order=True)
class Basket:
    at: datetime
    receipt_id: str
    store_id: str
    size: int


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


@dataclass(frozen=True, slots=True)
class CustomerState:
    """All that ranking knows of a customer. `baskets` holds the latest ones, oldest first; `basket_count` all."""

    basket_count: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    size_sum: int = 0
    store_visits: Mapping[str, int] = field(default_factory=dict)
    baskets: tuple[Basket, ...] = ()
    products: Mapping[str, OwnProduct] = field(default_factory=dict)

    @property
    def mean_gap_days(self) -> float | None:
        """Days between baskets on average; None below two baskets."""
        if self.basket_count < 2 or self.first_at is None or self.last_at is None:
            return None
        return (self.last_at - self.first_at) / _DAY / (self.basket_count - 1)

    @property
    def mean_basket_size(self) -> float:
        return self.size_sum / self.basket_count if self.basket_count else 0.0

    @property
    def usual_store_id(self) -> str | None:
        """The most visited store, the smaller id on a tie."""
        if not self.store_visits:
            return None
        return min(self.store_visits, key=lambda store: (-self.store_visits[store], store))


def state_of(receipts: Iterable[Receipt]) -> CustomerState:
    """Return the state after exactly these receipts, each counted once by its id.

    The same as adding them one by one, in one pass: a request folds a customer's whole past.
    """
    distinct = {receipt.receipt_id: receipt for receipt in receipts}
    baskets: list[Basket] = []
    bought: dict[str, list[Purchase]] = {}
    for receipt in sorted(distinct.values(), key=lambda receipt: (receipt.at, receipt.receipt_id)):
        at, receipt_id, store_id = receipt.at, receipt.receipt_id, receipt.store_id
        quantities = _quantities(receipt.lines)
        size = len(quantities)
        if size:
            baskets.append(Basket(at, receipt_id, store_id, size))
        for product_id, quantity in quantities.items():
            bought.setdefault(product_id, []).append(Purchase(at, receipt_id, store_id, quantity, size))
    if not baskets:
        return CustomerState()
    return CustomerState(
        basket_count=len(baskets),
        first_at=baskets[0].at,
        last_at=baskets[-1].at,
        size_sum=sum(basket.size for basket in baskets),
        store_visits=Counter(basket.store_id for basket in baskets),
        baskets=tuple(baskets[-KEPT_BASKETS:]),
        products={product_id: own_product(product_id, purchases) for product_id, purchases in bought.items()},
    )


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


def with_receipt(state: CustomerState, receipt: Receipt) -> CustomerState:
    """Add one receipt not yet counted (the caller's position guarantees that). No lines: no basket."""
    quantities = _quantities(receipt.lines)
    if not quantities:
        return state
    products = dict(state.products)
    for product_id, quantity in quantities.items():
        bought = Purchase(receipt.at, receipt.receipt_id, receipt.store_id, quantity, len(quantities))
        products[product_id] = with_purchase(products.get(product_id), product_id, bought)
    return replace(_with_basket(state, receipt, len(quantities)), products=products)


def with_purchase(own: OwnProduct | None, product_id: str, bought: Purchase) -> OwnProduct:
    """Add one purchase to a product's statistics."""
    if own is None:
        ones = tuple(1.0 for _ in HALF_LIVES_DAYS)
        return OwnProduct(product_id, 1, bought.quantity, bought.at, bought.at, (bought,), ones)
    last_at = max(own.last_at, bought.at)
    return OwnProduct(
        product_id=product_id,
        count=own.count + 1,
        quantity=own.quantity + bought.quantity,
        first_at=min(own.first_at, bought.at),
        last_at=last_at,
        recent=tuple(sorted((*own.recent, bought))[-KEPT_PURCHASES:]),
        decayed=_decayed_sum(own, bought.at, last_at),
    )


def _with_basket(state: CustomerState, receipt: Receipt, size: int) -> CustomerState:
    basket = Basket(receipt.at, receipt.receipt_id, receipt.store_id, size)
    visits = dict(state.store_visits)
    visits[receipt.store_id] = visits.get(receipt.store_id, 0) + 1
    return replace(
        state,
        basket_count=state.basket_count + 1,
        first_at=min(state.first_at or receipt.at, receipt.at),
        last_at=max(state.last_at or receipt.at, receipt.at),
        size_sum=state.size_sum + size,
        store_visits=visits,
        baskets=tuple(sorted((*state.baskets, basket))[-KEPT_BASKETS:]),
    )


def _quantities(lines: tuple[Line, ...]) -> dict[str, float]:
    """Sum the lines of one product; a product whose negative lines cancel it was not bought."""
    sums = {line.product_id: line.quantity for line in lines}
    if len(sums) == len(lines) and (not sums or min(sums.values()) >= 0):
        return sums
    sums = {}
    for line in lines:
        sums[line.product_id] = sums.get(line.product_id, 0.0) + line.quantity
    corrected = {line.product_id for line in lines if line.quantity < 0}
    return {product: total for product, total in sums.items() if total > 0 or product not in corrected}


def _decayed_sum(own: OwnProduct, at: datetime, last_at: datetime) -> tuple[float, ...]:
    return tuple(
        value * _fade(last_at - own.last_at, half) + _fade(last_at - at, half) for value, half in _paired(own.decayed)
    )


def _paired(decayed: tuple[float, ...]) -> Iterable[tuple[float, float]]:
    return zip(decayed, HALF_LIVES_DAYS, strict=True)


def _fade(age: timedelta, half_life_days: float) -> float:
    return float(0.5 ** (age / _DAY / half_life_days))
