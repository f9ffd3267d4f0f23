"""Owns association rules: how many of the baskets with one product hold another, and how much more than by chance.

Counted over pairs only, sparse and bounded: rules of three and more products are too rare in a grocery to be shown.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from services.recommend.history import Floats, Ints

RULE_PRODUCTS = 20_000
LEAST_TOGETHER = 10
LEAST_LIFT = 1.2
RULES_PER_PRODUCT = 50


@dataclass(frozen=True)
class Associations:
    """For each product (row) what else its baskets hold, the highest confidence first; rows may be empty."""

    indptr: Ints
    others: Ints
    together: Ints
    """Baskets that hold both."""
    baskets: Ints
    """Baskets that hold each product."""
    basket_count: Ints
    """One number: all baskets."""

    def of(self, product: int) -> slice:
        """Return the place of a product's rules; none for a product newer than the counting."""
        if product >= self.indptr.size - 1:
            return slice(0, 0)
        return slice(int(self.indptr[product]), int(self.indptr[product + 1]))

    def confidence(self, product: int) -> Floats:
        """Return the share of the product's baskets that hold each other one."""
        return self.together[self.of(product)] / max(int(self.baskets[product : product + 1].sum()), 1)

    def lift(self, product: int) -> Floats:
        """Return how many times more often than by chance."""
        expected = self.baskets[self.others[self.of(product)]] / max(int(self.basket_count[0]), 1)
        return self.confidence(product) / np.maximum(expected, 1e-12)

    def support(self, product: int) -> Floats:
        """Return the share of all baskets that hold both."""
        return self.together[self.of(product)] / max(int(self.basket_count[0]), 1)

    def leverage(self, product: int) -> Floats:
        """Return the share of all baskets that hold both beyond what chance would give."""
        total = max(int(self.basket_count[0]), 1)
        by_chance = self.baskets[self.others[self.of(product)]] / total * (int(self.baskets[product]) / total)
        return self.support(product) - by_chance

    def share(self, product: int, other: int) -> float:
        """Return the confidence of one rule, 0 where there is none."""
        part = self.of(product)
        found = np.flatnonzero(self.others[part] == other)
        return float(self.confidence(product)[found[0]]) if found.size else 0.0

    def scores(self, items: Ints, product_count: int) -> Floats:
        """Return for every product the highest confidence from one of the given items; those themselves at zero."""
        out = np.zeros(product_count)
        for product in items.tolist():
            part = self.of(product)
            np.maximum.at(out, self.others[part], self.confidence(product))
        out[items[items < product_count]] = 0.0
        return out


def no_associations() -> Associations:
    """Return the rules of no baskets."""
    nothing = np.empty(0, np.int64)
    return Associations(np.zeros(1, np.int64), nothing, nothing, nothing, np.zeros(1, np.int64))


def associations_of(
    baskets: sp.csr_matrix, least_together: int = LEAST_TOGETHER, products: int = RULE_PRODUCTS
) -> Associations:
    """Count pairs of the most bought products in baskets x products (ones where bought)."""
    counts = np.asarray(baskets.sum(axis=0)).ravel().astype(np.int64)
    frequent = np.flatnonzero(counts >= least_together)
    head = np.sort(frequent[np.argsort(-counts[frequent], kind="stable")[:products]])
    pairs = (baskets[:, head].T @ baskets[:, head]).tocoo()
    together = np.rint(pairs.data).astype(np.int64)
    rows, others = head[pairs.row], head[pairs.col]
    lift = together / np.maximum(counts[rows], 1) * baskets.shape[0] / np.maximum(counts[others], 1)
    keep = (together >= least_together) & (rows != others) & (lift >= LEAST_LIFT)
    rows, others, together = rows[keep], others[keep], together[keep]
    order = np.lexsort((others, -together, rows))
    rows, others, together = rows[order], others[order], together[order]
    near = np.arange(rows.size) - np.searchsorted(rows, rows) < RULES_PER_PRODUCT
    indptr = np.searchsorted(rows[near], np.arange(counts.size + 1)).astype(np.int64)
    return Associations(indptr, others[near], together[near], counts, np.array([baskets.shape[0]], np.int64))


def by_type(baskets: sp.csr_matrix, types: Ints, type_count: int) -> sp.csr_matrix:
    """Return baskets x types, ones where a product of the type was bought; `types` gives each product's, -1 none."""
    known = np.flatnonzero(types >= 0)
    ones = np.ones(known.size, np.float32)
    fold = sp.csr_matrix((ones, (known, types[known])), shape=(types.size, type_count))
    typed = (baskets @ fold).tocsr()
    typed.data = np.minimum(typed.data, 1.0)
    return typed
