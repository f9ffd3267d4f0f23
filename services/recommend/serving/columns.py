"""Owns a customer's baskets as columns, and as the bytes that they take in memory.

A basket takes 16 bytes, a product in it 4, and 12 more where it was not exactly one unit. Times are whole
microseconds, quantities whole millionths: nothing is rounded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from services.recommend.domain.facts import MILLIONTHS, Fact
from services.recommend.history import Floats, Ints
from services.recommend.serving.names import Names

KeptBasket = tuple[Fact, Mapping[str, int]]
"""A receipt and what of it was kept, in millionths; never nothing."""
Numbers = npt.NDArray[np.int32]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_PER_DAY = 86_400_000_000
_HEAD = 16


def microseconds(at: datetime) -> int:
    """Return an aware time as whole microseconds since 1970-01-01 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def moment(at_us: int) -> datetime:
    """Return the time that so many microseconds are."""
    return _EPOCH + at_us * _MICROSECOND


@dataclass(frozen=True, slots=True)
class Columns:
    """Baskets oldest first, and their products one after the other; products and stores by their numbers.

    Of most products one unit is bought: `odd` are the places of the others, `odd_quantity` their millionths.
    """

    at_us: Ints
    store: Numbers
    size: Numbers
    product: Numbers
    odd: Numbers
    odd_quantity: Ints

    @property
    def at_days(self) -> Floats:
        """Return the baskets' times as every feature counts them."""
        return self.at_us / _MICROSECONDS_PER_DAY

    def quantities(self) -> Ints:
        """Return the millionths of every product."""
        found = np.full(self.product.size, MILLIONTHS, np.int64)
        found[self.odd] = self.odd_quantity
        return found

    def to_bytes(self) -> bytes:
        head = np.array([self.at_us.size, self.product.size, self.odd.size, 0], np.int32)
        parts = (head, self.at_us, self.odd_quantity, self.store, self.size, self.product, self.odd)
        return b"".join([part.tobytes() for part in parts])

    @classmethod
    def of_bytes(cls, packed: bytes) -> "Columns":
        """Return views of what `to_bytes` laid down."""
        baskets, products, odd, _ = np.frombuffer(packed, np.int32, 4).tolist()
        at_us = np.frombuffer(packed, np.int64, baskets, _HEAD)
        odd_quantity = np.frombuffer(packed, np.int64, odd, _HEAD + 8 * baskets)
        rest = np.frombuffer(packed, np.int32, -1, _HEAD + 8 * (baskets + odd))
        size, product, places = baskets, 2 * baskets, 2 * baskets + products
        return cls(at_us, rest[:size], rest[size:product], rest[product:places], rest[places:], odd_quantity)


def columns_of(kept: Sequence[KeptBasket], names: Names) -> Columns:
    """Lay out baskets, each receipt once, in any order; new products and stores get their numbers."""
    ordered = sorted(kept, key=lambda basket: (basket[0].at, basket[0].receipt_id))
    quantities = np.array([each for _, bought in ordered for each in bought.values()], np.int64)
    odd = np.flatnonzero(quantities != MILLIONTHS)
    number = names.products.number
    return Columns(
        at_us=np.array([microseconds(fact.at) for fact, _ in ordered], np.int64),
        store=np.array([names.stores.number(fact.store_id) for fact, _ in ordered], np.int32),
        size=np.array([len(bought) for _, bought in ordered], np.int32),
        product=np.array([number(product_id) for _, bought in ordered for product_id in bought], np.int32),
        odd=odd.astype(np.int32),
        odd_quantity=quantities[odd],
    )
