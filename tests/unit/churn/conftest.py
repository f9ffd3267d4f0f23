"""A small invented shop whose customers are known exactly, and a model trained on it."""

from collections.abc import Sequence

import numpy as np
import pytest

from services.churn.scorer import Model
from services.churn.training import FeatureHistory, TrainingSettings, train
from services.churn.visits import Visits, visits_of

DAYS = 364
SLOWING, RARE = 0, 1  # planted customers
SETTINGS = TrainingSettings(
    rounds=40, hazard_rounds=100, rows_per_leaf_min=50, spacing_days=28, positives_for_trees_min=100
)


def visits_on(days: Sequence[Sequence[int]], spend_minor: int = 2_000) -> Visits:
    """One customer per list of days; every visit alike, categories 0 and 1."""
    customer = np.repeat(np.arange(len(days)), [len(own) for own in days])
    day = np.array([day for own in days for day in own], dtype=np.int64)
    rows = np.arange(len(day))
    return visits_of(
        len(days),
        customer=customer,
        day=day,
        spend_minor=np.full(len(day), spend_minor),
        items=np.full(len(day), 5),
        store=np.ones(len(day)),
        hour=np.full(len(day), 12),
        category_visit=np.concatenate([rows, rows]),
        category=np.repeat([0, 1], len(day)),
    )


def random_visits(customers: int = 60, seed: int = 3) -> Visits:
    """Visits with every column filled at random."""
    rng = np.random.default_rng(seed)
    customer, day = np.nonzero(rng.random((customers, DAYS)) < rng.uniform(0.02, 0.4, (customers, 1)))
    rows = len(day)
    return visits_of(
        customers,
        customer=customer,
        day=day,
        spend_minor=rng.integers(100, 20_000, rows),
        items=rng.integers(1, 40, rows),
        discount_minor=rng.integers(0, 500, rows),
        coupon_minor=rng.integers(0, 2, rows) * 100,
        hour=rng.integers(7, 22, rows),
        store=rng.integers(0, 4, rows),
        category_visit=rng.integers(0, rows, rows * 4),
        category=rng.integers(0, 25, rows * 4),
    )


def _gaps(rng: np.random.Generator) -> list[int]:
    """A steady shopper, who in four of ten cases slows down from some day on and stays away."""
    usual = rng.choice([4, 7, 14, 21])
    slows_at = rng.integers(60, DAYS) if rng.random() < 0.4 else DAYS
    day, pace, days = int(rng.integers(0, usual)), 1.0, []
    while day < DAYS and usual * pace < 45:
        days.append(day)
        pace *= 1.3 if day > slows_at else 1.0
        day += max(1, round(usual * pace * rng.uniform(0.85, 1.15)))
    return days


def _shop() -> Visits:
    rng = np.random.default_rng(11)
    weekly_then_slower = [*range(0, 281, 7), 289, 300, 313]
    every_three_weeks = list(range(4, DAYS, 21))
    return visits_on([weekly_then_slower, every_three_weeks, *(_gaps(rng) for _ in range(500))])


@pytest.fixture(scope="session")
def shop() -> FeatureHistory:
    return FeatureHistory(_shop())


@pytest.fixture(scope="session")
def model(shop: FeatureHistory) -> Model:
    return train(shop, 308, SETTINGS)
