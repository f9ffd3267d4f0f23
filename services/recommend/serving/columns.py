"""Owns a customer's baskets as columns, and as the bytes that they take in memory.

A basket takes 16 bytes and a product in it 4: how much of it was bought matters to nothing that reads them. Times are
whole microseconds: nothing is rounded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from services.recommend.domain.facts import Fact
from services.recommend.history import Floats, Ints
from services.recommend.serving.names import Names

KeptBasket = tuple[Fact, Mapping[str, int]]
"""A receipt and what of it was kept, in millionths; never nothing."""
Numbers = npt.NDArray[np.int32]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_PER_DAY = 86_400_000_000
_HEAD = 8


def microseconds(at: datetime) -> int:
    """Return an aware time as whole microseconds since 1970-01-01 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def moment(at_us: int) -> datetime:
    """Return the time that so many microseconds are."""
    return _EPOCH + at_us * _MICROSECOND


@dataclass(frozen=True, slots=True)
class Columns:
    """Baskets oldest first, and their products one after the other; products and stores by their numbers."""

    at_us: Ints
    store: Numbers
    size: Numbers
    product: Numbers

    @property
    def at_days(self) -> Floats:
        """Return the baskets' times as every feature counts them."""
        return self.at_us / _MICROSECONDS_PER_DAY

    def to_bytes(self) -> bytes:
        head = np.array([self.at_us.size, self.product.size], np.int32)
        return b"".join([part.tobytes() for part in (head, self.at_us, self.store, self.size, self.product)])

    @classmethod
    def of_bytes(cls, packed: bytes) -> "Columns":
        """Return views of what `to_bytes` laid down."""
        baskets, products = np.frombuffer(packed, np.int32, 2).tolist()
        at_us = np.frombuffer(packed, np.int64, baskets, _HEAD)
        rest = np.frombuffer(packed, np.int32, 2 * baskets + products, _HEAD + 8 * baskets)
        return cls(at_us, rest[:baskets], rest[baskets : 2 * baskets], rest[2 * baskets :])


def columns_of(kept: Sequence[KeptBasket], names: Names) -> Columns:
    """Lay out baskets, each receipt once, in any order; new products and stores get their numbers."""
    ordered = sorted(kept, key=lambda basket: (basket[0].at, basket[0].receipt_id))
    number = names.products.number
    return Columns(
        at_us=np.array([microseconds(fact.at) for fact, _ in ordered], np.int64),
        store=np.array([names.stores.number(fact.store_id) for fact, _ in ordered], np.int32),
        size=np.array([len(bought) for _, bought in ordered], np.int32),
        product=np.array([number(product_id) for _, bought in ordered for product_id in bought], np.int32),
    )
