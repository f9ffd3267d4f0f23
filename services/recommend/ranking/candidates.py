"""Owns which products are ranked for a customer: the best of each generator, own products and new ones apart."""

import numpy as np

from services.recommend.generators.popular import Popularity
from services.recommend.generators.switches import Generator
from services.recommend.history import Bools, Floats, Ints
from services.recommend.ranking.features import Shopper

OWN_CANDIDATES = 110
NEW_CANDIDATES = 50
DISCOVER_CANDIDATES = 120


def mixed_candidates(shopper: Shopper, popularity: Popularity) -> Ints:
    """Return own and new products, to be ranked together."""
    return np.concatenate((own_candidates(shopper), new_candidates(shopper, popularity)))


def discover_candidates(shopper: Shopper, popularity: Popularity) -> Ints:
    """Return the same with more new products: own ones give the features their scale and are masked afterwards."""
    return np.concatenate((own_candidates(shopper), new_candidates(shopper, popularity, DISCOVER_CANDIDATES)))


def own_candidates(shopper: Shopper, limit: int = OWN_CANDIDATES) -> Ints:
    """Return the customer's own products, the best by the untrained formula first."""
    if not shopper.switches.has(Generator.OWN_PRODUCTS):
        return np.empty(0, np.int64)
    products = shopper.history.products
    order = np.argsort(-shopper.formula[products], kind="stable")
    return products[order[:limit]]


def new_candidates(shopper: Shopper, popularity: Popularity, limit: int = NEW_CANDIDATES) -> Ints:
    """Return products never bought: half from cosine neighbours, a quarter each from UP-CF and what is popular."""
    allowed = np.ones(shopper.own_value.size, np.bool_)
    allowed[shopper.history.products] = False
    month = np.zeros(allowed.size)
    if shopper.switches.has(Generator.POPULAR):
        month[: popularity.product_count] = popularity.chain[1]
    pools = (
        best(shopper.crowd_value, limit // 2, allowed),
        best(shopper.upcf, limit // 4, allowed),
        best(month, limit - limit // 2 - limit // 4, allowed),
    )
    merged = np.concatenate(pools)
    _, first = np.unique(merged, return_index=True)
    return merged[np.sort(first)]


def best(scores: Floats, limit: int, allowed: Bools) -> Ints:
    """Return the `limit` products of highest positive score among those allowed, best first (ties: smaller index)."""
    open_scores = np.where(allowed, scores, 0.0)
    positive = np.flatnonzero(open_scores > 0)
    if positive.size > limit:
        # Everything not below the limit-th value, so that ties are decided by index and not by the partition.
        floor = np.partition(open_scores[positive], positive.size - limit)[positive.size - limit]
        positive = positive[open_scores[positive] >= floor]
    order = np.argsort(-open_scores[positive], kind="stable")
    return positive[order[:limit]]
