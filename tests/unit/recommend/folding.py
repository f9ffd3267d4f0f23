"""A customer's state folded receipt by receipt: what serving's and training's columns must agree with."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from services.recommend.domain.purchases import (
    KEPT_BASKETS,
    KEPT_PURCHASES,
    Line,
    OwnProduct,
    Receipt,
    days_since_epoch,
)
from services.recommend.history import Floats, History, Ints
from services.recommend.history import _kept as kept

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Purchase:
    """One product in one basket. `basket_size` counts distinct products; `quantity` sums its lines."""

    at: datetime
    receipt_id: str
    store_id: str
    quantity: float
    basket_size: int


@dataclass(frozen=True, slots=True)
class Folded:
    """What one customer did with one product; `recent` holds the latest purchases, oldest first."""

    product_id: str
    count: int
    quantity: float
    first_at: datetime
    last_at: datetime
    recent: tuple[Purchase, ...]

    @property
    def own(self) -> OwnProduct:
        """Return what serving knows of it."""
        days = dict.fromkeys(int(days_since_epoch(purchase.at)) for purchase in self.recent)
        return OwnProduct(self.product_id, self.count, self.last_at, tuple(days))


@dataclass(frozen=True, slots=True, order=True)
class Basket:
    at: datetime
    receipt_id: str
    store_id: str
    size: int


@dataclass(frozen=True, slots=True)
class CustomerState:
    """All that ranking knows of a customer. `baskets` holds the latest ones, oldest first; `basket_count` all."""

    basket_count: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    size_sum: int = 0
    store_visits: Mapping[str, int] = field(default_factory=dict)
    baskets: tuple[Basket, ...] = ()
    products: Mapping[str, Folded] = field(default_factory=dict)

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
        products={product_id: folded(product_id, purchases) for product_id, purchases in bought.items()},
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


def folded(product_id: str, purchases: list[Purchase]) -> Folded:
    """Return the statistics of purchases in order of time."""
    return Folded(
        product_id=product_id,
        count=len(purchases),
        quantity=sum(purchase.quantity for purchase in purchases),
        first_at=purchases[0].at,
        last_at=purchases[-1].at,
        recent=tuple(purchases[-KEPT_PURCHASES:]),
    )


def with_purchase(own: Folded | None, product_id: str, bought: Purchase) -> Folded:
    """Add one purchase to a product's statistics."""
    if own is None:
        return Folded(product_id, 1, bought.quantity, bought.at, bought.at, (bought,))
    return Folded(
        product_id=product_id,
        count=own.count + 1,
        quantity=own.quantity + bought.quantity,
        first_at=min(own.first_at, bought.at),
        last_at=max(own.last_at, bought.at),
        recent=tuple(sorted((*own.recent, bought))[-KEPT_PURCHASES:]),
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


def history_of(state: CustomerState, product_index: Mapping[str, int], store_index: Mapping[str, int]) -> History:
    """Return the columns of a state; products without an index are left out."""
    rows = sorted(
        (product_index[own.product_id], own) for own in state.products.values() if own.product_id in product_index
    )
    bought = [(index, purchase) for index, own in rows for purchase in own.recent]
    baskets = state.baskets
    return kept(
        products=np.array([index for index, _ in rows], np.int64),
        count=np.array([own.count for _, own in rows], np.int64),
        first_at=np.array([days_since_epoch(own.first_at) for _, own in rows], np.float64),
        lengths=np.array([len(own.recent) for _, own in rows], np.int64),
        at=_times([purchase for _, purchase in bought]),
        ago=_ago(state, [purchase for _, purchase in bought]),
        size=np.array([purchase.basket_size for _, purchase in bought], np.int64),
        store=np.array([store_index.get(purchase.store_id, -1) for _, purchase in bought], np.int64),
        basket_at=np.array([days_since_epoch(basket.at) for basket in baskets], np.float64),
        basket_size=np.array([basket.size for basket in baskets], np.int64),
        basket_store=np.array([store_index.get(basket.store_id, -1) for basket in baskets], np.int64),
        basket_count=state.basket_count,
    )


def _times(bought: list[Purchase]) -> Floats:
    return np.array([days_since_epoch(purchase.at) for purchase in bought], np.float64)


def _ago(state: CustomerState, bought: list[Purchase]) -> Ints:
    """Count the baskets after each purchase's own; one older than all kept baskets gets KEPT_BASKETS."""
    place = {basket.receipt_id: len(state.baskets) - 1 - n for n, basket in enumerate(state.baskets)}
    return np.array([place.get(purchase.receipt_id, KEPT_BASKETS) for purchase in bought], np.int64)
