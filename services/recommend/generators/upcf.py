"""Owns UP-CF: recent personal popularity shared among customers of similar taste (Faggioli et al., UMAP 2020)."""

import numpy as np

from services.recommend.generators.neighbours import Profiles, SparseVector, blended, nearest, shared_counts
from services.recommend.history import History, Matrix

RECENT_BASKETS = 50
ASYMMETRY = 0.75
SHARPNESS = 2
NEIGHBOURS = 100


def vector_of(history: History) -> SparseVector:
    """Return each product's share of the last RECENT_BASKETS baskets; older products keep a zero entry."""
    recent = min(max(history.basket_count, 1), RECENT_BASKETS)
    counts = (
        np.add.reduceat((history.ago < RECENT_BASKETS) / recent, history.starts[:-1]) if history.ago.size else None
    )
    return SparseVector(history.products, np.zeros(0) if counts is None else counts)


def scores(profiles: Profiles, vector: SparseVector, own_row: int | None, product_count: int) -> Matrix:
    """Return the similarity-weighted recent popularity among the nearest customers, the customer's own included."""
    overlap = shared_counts(profiles, vector.products)
    mine = max(vector.products.size, 1) ** ASYMMETRY
    theirs = np.maximum(profiles.entry_counts, 1) ** (1 - ASYMMETRY)
    similarity = (overlap / mine / theirs) ** SHARPNESS
    rows = nearest(similarity, NEIGHBOURS, own_row)
    crowd = blended(profiles, rows, similarity[rows], product_count)
    crowd[vector.products] += vector.weights
    return crowd
