"""How everybody repeats a product: the chance of buying it again, and whether it is on its way out."""

import io
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.knowledge import RECENT_BASKETS, ProductHabits, learn
from services.recommend.model import files_of, model_of, untrained
from services.recommend.training.dataset import Dataset, dataset_of
from tests.unit.recommend.factories import START, catalogue, dataset, day, town

WEEKS = 30
LATE = days_since_epoch(day(7 * WEEKS))


def habits(bought: dict[str, list[int]], customers: int = 20) -> tuple[Dataset, ProductHabits]:
    """Everybody buys each product in these weeks, and bread in all."""
    rows = [
        (f"C{customer:02d}", f"B{customer:02d}-{week:02d}", product, "S1", START + timedelta(days=7 * week))
        for customer in range(customers)
        for week in range(WEEKS)
        for product in ("bread", *(name for name, weeks in bought.items() if week in weeks))
    ]
    columns = ["customer_id", "basket_id", "product_id", "store_id", "at"]
    many = dataset_of(pl.DataFrame(rows, schema=columns, orient="row"))
    return many, learn(many, assortment_of(many.product_ids, {}), LATE).habits


def of(many: Dataset, values: np.ndarray, product: str) -> float:
    return float(values[many.product_ids.index(product)])


def test_what_is_in_every_basket_is_rebought_surely_and_what_came_once_hardly() -> None:
    many, found = habits({"once": [3], "half": list(range(0, WEEKS, 2))})
    assert of(many, found.rebuy_rate, "bread") > 0.95
    assert of(many, found.rebuy_rate, "half") == pytest.approx(0.5, abs=0.05)
    assert of(many, found.rebuy_rate, "once") < 0.05


def test_what_everybody_stopped_buying_has_lost_its_momentum() -> None:
    many, found = habits({"summer": list(range(20)), "steady": list(range(0, WEEKS, 2))})
    assert of(many, found.momentum, "summer") < 0.2
    assert of(many, found.momentum, "steady") > 0.8
    assert of(many, found.momentum, "bread") > 0.8


def test_what_comes_back_gains_momentum() -> None:
    many, found = habits({"winter": [0, 1, 2, *range(WEEKS - RECENT_BASKETS, WEEKS)]})
    assert of(many, found.momentum, "winter") > 2


def test_product_known_for_few_baskets_only_is_that_of_the_average() -> None:
    many, found = habits({"new": [WEEKS - 2, WEEKS - 1]}, customers=1)
    assert of(many, found.momentum, "new") == pytest.approx(1.0)


@given(seed=st.integers(0, 50), customers=st.integers(1, 8), weeks=st.integers(1, 12))
@settings(max_examples=15, deadline=None)
def test_rates_are_shares_and_momentum_is_positive_and_finite(seed: int, customers: int, weeks: int) -> None:
    many, assortment = dataset(town(customers=customers, products=20, weeks=weeks, seed=seed))
    found = learn(many, assortment, LATE).habits
    assert ((found.rebuy_rate >= 0) & (found.rebuy_rate <= 1)).all()
    assert (np.isfinite(found.momentum) & (found.momentum > 0)).all()


def test_nothing_bought_gives_habits_of_nothing() -> None:
    many, assortment = dataset(town(customers=2, weeks=2))
    found = learn(many, assortment, 0.0).habits
    assert np.isfinite(found.rebuy_rate).all()
    assert found.momentum == pytest.approx(np.ones(len(assortment)))


def test_version_stored_before_these_habits_is_read_with_zeros() -> None:
    model = untrained(assortment_of(sorted(catalogue(6)), catalogue(6)))
    files = files_of(model)
    with np.load(io.BytesIO(files["arrays.npz"])) as arrays:
        older = dict(arrays)
    del older["habits.rebuy_rate"], older["habits.momentum"]
    read = model_of({**files, "arrays.npz": _packed(older)}, catalogue(6), "v")
    assert read.knowledge.habits.momentum.tolist() == np.zeros(read.knowledge.habits.buyers.size).tolist()


def _packed(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
