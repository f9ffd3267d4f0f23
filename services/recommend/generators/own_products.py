"""Owns the customer's own products: personal top by frequency, and the order in which they are due again."""

import numpy as np

from services.recommend.history import Floats, History


def personal_top(history: History) -> Floats:
    """Return the share of baskets that held each own product (GP-Top's personal part), aligned with the products."""
    return history.count / max(history.basket_count, 1)


def recent_top(history: History, half_life_baskets: float = 8.0) -> Floats:
    """Return each own product's purchases decayed by the customer's own baskets."""
    if not history.ago.size:
        return np.zeros(0)
    return np.asarray(np.add.reduceat(0.5 ** (history.ago / half_life_baskets), history.starts[:-1]), np.float64)


def due_ratio(history: History, now: float) -> Floats:
    """Return days since the last purchase / usual gap in days; 0 where one purchase gives no gap."""
    gaps = usual_gap_days(history)
    known = gaps > 0
    return np.where(known, (now - history.last_at) / np.where(known, gaps, 1.0), 0.0) if gaps.size else gaps


def usual_gap_days(history: History) -> Floats:
    """Return the mean days between purchases, 0 below two purchases."""
    if not history.products.size:
        return np.zeros(0)
    return np.where(history.count > 1, (history.last_at - history.first_at) / np.maximum(history.count - 1, 1), 0.0)
