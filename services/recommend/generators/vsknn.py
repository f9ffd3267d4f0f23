"""Owns V-SKNN: what recent baskets like the open session hold besides (Ludewig & Jannach, UMUAI 2018).

The open session is an ordered list of products, the latest the most important. A past session here is a receipt: its
lines have no order, so only the open session is weighted by position. Rare products say more than common ones (idf).
"""

from dataclasses import dataclass

import numpy as np

from services.recommend.history import Bools, Floats, Ints, ranges

SESSIONS_MAX = 60_000
SAMPLED = 5000
NEIGHBOURS = 500
OPEN_MAX = 20
"""Products of the open session that are looked at: its latest."""


@dataclass(frozen=True)
class Sessions:
    """The latest past sessions, oldest first: their products, the sessions of each product, and its rarity."""

    indptr: Ints
    products: Ints
    by_product_indptr: Ints
    by_product_sessions: Ints
    rarity: Floats

    @property
    def session_count(self) -> int:
        return self.indptr.size - 1

    def scores(self, opened: Ints, product_count: int, sampled: int = SAMPLED, k: int = NEIGHBOURS) -> Floats:
        """Return a score for every product, those of the open session at zero; `opened` is oldest first."""
        weight = self._position_weights(opened)
        near, closeness = self._nearest(weight, sampled, k)
        starts, lengths = self.indptr[near], self.indptr[near + 1] - self.indptr[near]
        entries = self.products[ranges(starts, lengths)]
        sums = np.bincount(entries, np.repeat(closeness, lengths), minlength=product_count).astype(np.float64)
        sums[: self.rarity.size] *= self.rarity
        sums[opened[opened < product_count]] = 0.0
        return sums

    def _position_weights(self, opened: Ints) -> dict[int, float]:
        """Return the weight of each known product: 1 for the latest, falling evenly to the oldest."""
        latest = [product for product in opened.tolist() if product < self.rarity.size][-OPEN_MAX:]
        return {product: (place + 1) / len(latest) for place, product in enumerate(latest)}

    def _nearest(self, weight: dict[int, float], sampled: int, k: int) -> tuple[Ints, Floats]:
        """Return the closest of the most recent sessions that share a product, closest first (ties: the later)."""
        if not weight:
            return np.empty(0, np.int64), np.empty(0)
        parts = [self._sessions_of(product) for product in weight]
        worth = np.array(list(weight.values())) * self.rarity[list(weight)]
        sessions, place = np.unique(np.concatenate(parts), return_inverse=True)
        sizes = np.diff(self.indptr)[sessions]
        shared = np.bincount(place, np.repeat(worth, [part.size for part in parts]), minlength=sessions.size)
        closeness = shared / np.sqrt(np.maximum(sizes, 1))
        recent = slice(max(sessions.size - sampled, 0), None)
        sessions, closeness = sessions[recent], closeness[recent]
        best = np.lexsort((-sessions, -closeness))[:k]
        return sessions[best], closeness[best]

    def _sessions_of(self, product: int) -> Ints:
        return self.by_product_sessions[self.by_product_indptr[product] : self.by_product_indptr[product + 1]]


def with_companions(like_sessions: Floats, companions: Floats) -> Floats:
    """Add what like sessions hold to what goes together, each in units of its own largest score."""
    parts = (values / max(float(values.max(initial=0.0)), 1e-12) for values in (like_sessions, companions))
    total: Floats = np.add(*parts)
    return total


def no_sessions() -> Sessions:
    """Return an index that has seen nothing."""
    return sessions_of(np.zeros(1, np.int64), np.empty(0, np.int64), 0)


def sessions_of(line_starts: Ints, product: Ints, product_count: int, kept: int = SESSIONS_MAX) -> Sessions:
    """Index the last `kept` sessions of at least two products; sessions come oldest first."""
    sizes = np.diff(line_starts)
    usable = np.flatnonzero(sizes >= 2)[-kept:]
    lengths = sizes[usable]
    products = product[ranges(line_starts[usable], lengths)]
    order = np.argsort(products, kind="stable")
    counts = np.bincount(products, minlength=product_count)
    return Sessions(
        indptr=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        products=products,
        by_product_indptr=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        by_product_sessions=np.repeat(np.arange(usable.size), lengths)[order],
        rarity=_rarity(counts, usable.size),
    )


def _rarity(counts: Ints, sessions: int) -> Floats:
    """Return log(sessions / sessions with the product); zero for a product in none, which nothing can be said of."""
    has: Bools = counts > 0
    return np.where(has, np.log(max(sessions, 1) / np.maximum(counts, 1)), 0.0)
