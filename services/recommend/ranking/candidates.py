"""Owns which products are ranked for a customer: the best of each generator, own products and new ones apart."""

import numpy as np

from services.recommend.generators.popular import Popularity
from services.recommend.generators.switches import Generator
from services.recommend.history import Bools, Floats, Ints, Matrix
from services.recommend.ranking.shoppers import Shopper

OWN_CANDIDATES = 110
NEW_CANDIDATES = 50
DISCOVER_CANDIDATES = 120
PROMOTED_CANDIDATES = 20


def candidates_of(shopper: Shopper, popularity: Popularity, new_limit: int = NEW_CANDIDATES) -> Ints:
    """Return own products, then new ones, to be ranked together.

    To discover asks for more new ones; own products are there to give the features their scale, masked afterwards.
    """
    return np.concatenate((own_candidates(shopper), new_candidates(shopper, popularity, new_limit)))


def own_candidates(shopper: Shopper, limit: int = OWN_CANDIDATES) -> Ints:
    """Return the customer's own products, the best by the untrained formula first."""
    if not shopper.switches.has(Generator.OWN_PRODUCTS):
        return np.empty(0, np.int64)
    products = shopper.history.products
    order = np.argsort(-shopper.formula[products], kind="stable")
    return products[order[:limit]]


def new_candidates(shopper: Shopper, popularity: Popularity, limit: int = NEW_CANDIDATES) -> Ints:
    """Return products never bought: half from cosine neighbours, a quarter each from UP-CF and what is popular."""
    own = shopper.history.products
    new = np.ones(shopper.crowd_value.size, np.bool_)
    new[own] = False
    popular = popularity.by_month if shopper.switches.has(Generator.POPULAR) else np.empty(0, np.int64)
    front = popular[: limit + own.size]
    pools = (
        best(shopper.crowd_value, limit // 2, new),
        best(shopper.upcf, limit // 4, new),
        front[new[front]][: limit - limit // 2 - limit // 4],
    )
    merged = np.concatenate(pools)
    _, first = np.unique(merged, return_index=True)
    return merged[np.sort(first)]


def with_promoted(candidates: Ints, shopper: Shopper, on_offer: Ints) -> Ints:
    """Add the products on offer that come closest to what like customers buy; the ranker decides."""
    if not on_offer.size:
        return candidates
    open_ = np.zeros(shopper.crowd_value.size, np.bool_)
    open_[on_offer] = True
    open_[candidates] = False
    open_[shopper.history.products] = False
    return np.concatenate((candidates, best(shopper.crowd_value, PROMOTED_CANDIDATES, open_)))


def best(scores: Floats | Matrix, limit: int, allowed: Bools) -> Ints:
    """Return the `limit` products of highest positive score among those allowed, best first (ties: smaller index)."""
    positive = np.flatnonzero(allowed & (scores > 0))
    values = scores[positive]
    if positive.size > limit:
        # Everything not below the limit-th value, so that ties are decided by index and not by the partition.
        floor = np.partition(values, positive.size - limit)[positive.size - limit] if limit else np.inf
        positive = positive[values >= floor]
    order = np.argsort(-scores[positive], kind="stable")
    return positive[order[:limit]]
