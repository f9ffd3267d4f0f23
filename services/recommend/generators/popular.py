"""Owns popularity: how often products were bought lately, in the whole chain and store by store."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.recommend.history import Floats, Ints

WINDOWS_DAYS = (7, 28, 84)
STORE_HALF_LIFE_DAYS = 28.0
REACH_DAYS = 84
"""What is older is counted nowhere."""
_LIKED_TIMES = 1000.0
"""The scale's reach: what sells a thousandth of what sells most is liked a tenth as much, a thirtieth half."""
_BEHIND = 1e-9
"""So small that it only orders what did not sell in the shorter window, and breaks its ties."""


@dataclass(frozen=True)
class Popularity:
    """`chain[w]` is each product's share of the purchases of the last WINDOWS_DAYS[w] days.

    Store shares are decayed (half-life 28 days) and sparse, one row per store; `store_weight` is the decayed number
    of purchases behind a row, so that a small store can be told from a large one.
    """

    chain: Floats
    store_indptr: Ints
    store_products: Ints
    store_shares: Floats
    store_weight: Floats

    @property
    def product_count(self) -> int:
        return int(self.chain.shape[1])

    @cached_property
    def by_month(self) -> Ints:
        """Return what was bought in the last 28 days, the most bought first."""
        month = self.chain[1]
        order: Ints = np.argsort(-month, kind="stable")[: int((month > 0).sum())]
        return order

    def shares_in(self, store: int, products: Ints) -> Floats:
        """Return the store's decayed shares of these products: zeros for an unknown store."""
        out = np.zeros(products.size)
        if 0 <= store < self.store_weight.size:
            part = slice(self.store_indptr[store], self.store_indptr[store + 1])
            sold, shares = self.store_products[part], self.store_shares[part]
            place = np.minimum(np.searchsorted(sold, products), max(sold.size - 1, 0))
            out = np.where(sold[place] == products, shares[place], 0.0) if sold.size else out
        return out

    @property
    def lately(self) -> Floats:
        """Return the shares of the last 28 days; what was last sold before them follows by the last 84.

        A shop that was closed for a month, or has just sent its past, has a past all the same.
        """
        shares: Floats = self.chain[1] + _BEHIND * self.chain[2]
        return shares

    def in_store(self, store: int, product_count: int) -> Floats:
        """Return the store's decayed shares as a dense vector: zeros for an unknown store."""
        out = np.zeros(product_count)
        if 0 <= store < self.store_weight.size:
            part = slice(self.store_indptr[store], self.store_indptr[store + 1])
            out[self.store_products[part]] = self.store_shares[part]
        return out

    def sold_in_store(self, store: int, product_count: int) -> Floats:
        """Return the store's shares and the chain's of the last 28 days, added, of what the store sells at all.

        What one store sold in some weeks is partly chance; what it never sold is not on its shelves.
        """
        here = self.in_store(store, product_count)
        month = np.pad(self.chain[1], (0, product_count - self.product_count))
        return np.where(here > 0, here + month, 0.0)

    @cached_property
    def liked(self) -> Floats:
        """Return how much each product is bought (0..1), on a logarithmic scale over the last 84 days."""
        quarter = self.chain[2]
        relative = quarter / max(float(quarter.max(initial=0.0)), 1e-12)
        found: Floats = np.log1p(_LIKED_TIMES * relative) / np.log1p(_LIKED_TIMES)
        return found

    def trending(self, product_count: int) -> Floats:
        """Return the last week's share with what was expected from the last 28 days taken off, and a little of both.

        A product bought as much as always keeps its place by popularity; one that doubled rises.
        """
        week, month = self.chain[0], self.chain[1]
        rise = week + 0.5 * np.maximum(week - month, 0.0)
        return np.pad(rise + 0.1 * month, (0, product_count - rise.size))


def popularity_of(  # noqa: PLR0913, PLR0917 - the columns of a table
    product: Ints, store: Ints, age_days: Floats, purchases: Floats, product_count: int, store_count: int
) -> Popularity:
    """Count rows (product, store, age, number of purchases); ages are in days and rows of the future are refused."""
    if age_days.size and age_days.min() < 0:
        raise ValueError("popularity counts only what lies before its moment")
    chain = np.stack([_share(product, purchases * (age_days <= window), product_count) for window in WINDOWS_DAYS])
    near = (age_days <= REACH_DAYS) & (store >= 0)
    worth = purchases[near] * 0.5 ** (age_days[near] / STORE_HALF_LIFE_DAYS)
    cells, place = np.unique(store[near] * product_count + product[near], return_inverse=True)
    sums = np.bincount(place, worth, minlength=cells.size)
    stores = cells // max(product_count, 1)
    weight = np.bincount(stores, sums, minlength=store_count).astype(np.float64)
    return Popularity(
        chain=chain,
        store_indptr=np.searchsorted(stores, np.arange(store_count + 1)).astype(np.int64),
        store_products=(cells % max(product_count, 1)).astype(np.int64),
        store_shares=sums / np.maximum(weight[stores], 1e-12),
        store_weight=weight,
    )


def _share(product: Ints, weights: Floats, product_count: int) -> Floats:
    counts = np.bincount(product, weights, minlength=product_count)
    return np.asarray(counts / max(float(counts.sum()), 1e-12), np.float64)
