"""Owns the columnar view of one customer's state: what generators and features read, in training and in serving."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.recommend.domain.purchases import KEPT_BASKETS, KEPT_PRODUCTS, KEPT_PURCHASES

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float32]
AnyArray = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class History:
    """Purchases grouped by product (ascending index), oldest first within one; baskets oldest first.

    `ago` counts the customer's baskets after a purchase's own (0: the latest basket). Times are days since
    1970-01-01 UTC. `count` of a product includes purchases older than those kept. Stores are indices, -1 unknown.
    """

    products: Ints
    starts: Ints
    count: Ints
    first_at: Floats
    product: Ints
    at: Floats
    ago: Ints
    size: Ints
    store: Ints
    basket_at: Floats
    basket_size: Ints
    basket_store: Ints
    basket_count: int

    @property
    def last_at(self) -> Floats:
        """Return each product's last purchase time."""
        return self.at[self.starts[1:] - 1]

    @property
    def last_ago(self) -> Ints:
        """Return baskets since each product's last purchase."""
        return self.ago[self.starts[1:] - 1]

    @property
    def usual_store(self) -> int:
        """Return the most visited store of the kept baskets (the smaller index on a tie), -1 without any."""
        known = self.basket_store[self.basket_store >= 0]
        return int(np.bincount(known).argmax()) if known.size else -1

    def holds(self, products: Ints) -> Bools:
        """Return which of these products were bought."""
        if not self.products.size:
            return np.zeros(products.size, np.bool_)
        found: Bools = self.products[self._places(products)] == products
        return found

    def lines_of(self, products: Ints) -> Ints:
        """Return the lines of those of these products that were bought, product by product."""
        rows = self._places(products[self.holds(products)])
        return ranges(self.starts[rows], np.diff(self.starts)[rows])

    def _places(self, products: Ints) -> Ints:
        return np.minimum(np.searchsorted(self.products, products), max(self.products.size - 1, 0))


def ranges(starts: Ints, lengths: Ints) -> Ints:
    """Return the concatenation of start..start+length for each pair."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if ends.size else 0
    return np.repeat(starts - ends + lengths, lengths) + np.arange(total)


def history_of_lines(  # noqa: PLR0913, PLR0917 - the columns of a table
    product: Ints,
    at: Floats,
    ago: Ints,
    size: Ints,
    store: Ints,
    basket_at: Floats,
    basket_size: Ints,
    basket_store: Ints,
) -> History:
    """Return the columns of purchase lines in time order: a customer's past, of a request or of the past itself."""
    order = np.argsort(product, kind="stable")
    products, first, count = np.unique(product[order], return_index=True, return_counts=True)
    rank_from_end = np.repeat(first + count, count) - np.arange(product.size)
    kept = order[rank_from_end <= KEPT_PURCHASES]
    return _kept(
        products=products.astype(np.int64),
        count=count.astype(np.int64),
        first_at=at[order[first]],
        lengths=np.minimum(count, KEPT_PURCHASES),
        at=at[kept],
        ago=np.minimum(ago[kept], KEPT_BASKETS),
        size=size[kept],
        store=store[kept],
        basket_at=basket_at[-KEPT_BASKETS:],
        basket_size=basket_size[-KEPT_BASKETS:],
        basket_store=basket_store[-KEPT_BASKETS:],
        basket_count=int(basket_at.size),
    )


def _kept(*, products: Ints, lengths: Ints, **columns: Any) -> History:  # noqa: ANN401 - arrays by name
    """Keep the KEPT_PRODUCTS most recently bought products (then the most bought) and lay out the columns."""
    starts = np.concatenate(([0], np.cumsum(lengths)))
    if products.size > KEPT_PRODUCTS:
        last_at = columns["at"][starts[1:] - 1]
        chosen = np.sort(np.lexsort((products, -columns["count"], -last_at))[:KEPT_PRODUCTS])
        rows = np.isin(np.repeat(np.arange(products.size), lengths), chosen)
        columns = {name: _subset(name, values, chosen, rows) for name, values in columns.items()}
        products, lengths = products[chosen], lengths[chosen]
        starts = np.concatenate(([0], np.cumsum(lengths)))
    return History(products=products, starts=starts, product=np.repeat(products, lengths), **columns)


def _subset(name: str, values: Any, chosen: Ints, rows: Bools) -> Any:  # noqa: ANN401 - arrays by name
    if name in {"count", "first_at"}:
        return values[chosen]
    return values[rows] if name in {"at", "ago", "size", "store"} else values
