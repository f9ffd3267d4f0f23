"""Owns parting customers into tastes by the categories they buy: k-means of directions, for judging segments."""

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from services.recommend.history import Floats, Ints

TASTES = 8
STARTS = 10
SEED = 1
_LEAST_SAYING = 0.05


@dataclass(frozen=True)
class Tastes:
    """The middle of each taste, and what a category says: rare ones more than those that everybody buys."""

    centres: Floats
    saying: Floats

    def nearest(self, counts: Floats) -> Ints:
        """Return the taste of each row of purchases by category."""
        found: Ints = np.argmax(_directions(counts, self.saying) @ self.centres.T, axis=1)
        return found


def tastes_of(counts: Floats, tastes: int = TASTES, seed: int = SEED) -> Tastes:
    """Part customers (rows of purchases by category); one who is far from all is in some taste all the same."""
    buyers = np.maximum((counts > 0).sum(axis=0), 1)
    saying = np.maximum(np.log(len(counts) / buyers), _LEAST_SAYING)
    rows = _directions(counts, saying)
    different = len(np.unique(rows.round(6), axis=0))
    found = KMeans(min(tastes, different), n_init=STARTS, random_state=seed).fit(rows)
    return Tastes(_unit(found.cluster_centers_), saying)


def by_category(categories: Ints, product: Ints, customer: Ints, customers: int) -> Floats:
    """Return purchases by customer and category; what has no category counts for none."""
    width = int(categories.max(initial=-1)) + 1
    known = categories[product] >= 0
    cells = customer[known] * width + categories[product[known]]
    counts: Floats = np.bincount(cells, minlength=customers * width).reshape(customers, width).astype(np.float64)
    return counts


def _directions(counts: Floats, saying: Floats) -> Floats:
    return _unit(np.sqrt(counts) * saying)


def _unit(rows: Floats) -> Floats:
    found: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return found
