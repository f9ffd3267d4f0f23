"""No list is the first to need something: all that stands behind lists is worked out before they are asked for."""

import gc
from functools import cached_property
from types import FunctionType, ModuleType

import numpy as np
import pytest

from services.recommend.assortment import assortment_of
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.domain.requests import Context, Filters, Placement, Request
from services.recommend.model import Model, untrained, with_catalogue
from services.recommend.serving.ahead import work_out
from services.recommend.serving.recommender import Recommender
from services.recommend.training.fitting import train
from tests.unit.recommend.factories import catalogue, dataset, day, past_of, receipts_of, town

LINES, CUT_AT = town(), day(150)
PRODUCTS = catalogue(64)
LEAVES = type | np.ndarray | str | int | float | FunctionType | ModuleType


def columns_of(root: object) -> tuple[set[str], set[str]]:
    """Walk this service's objects that are reachable; return which of their columns are filled, and which not."""
    seen, open_ = {id(root)}, [root]
    filled: set[str] = set()
    empty: set[str] = set()
    while open_:
        value = open_.pop()
        if type(value).__module__.startswith("services.recommend"):
            for kind in type(value).__mro__:
                for name, attribute in vars(kind).items():
                    if isinstance(attribute, cached_property):
                        (filled if name in vars(value) else empty).add(f"{type(value).__name__}.{name}")
        for other in gc.get_referents(value):
            if id(other) not in seen and not isinstance(other, LEAVES):
                seen.add(id(other))
                open_.append(other)
    return filled, empty


@pytest.fixture(scope="module", params=["trained", "untrained"])
def model(request: pytest.FixtureRequest) -> Model:
    if request.param == "untrained":
        return untrained(assortment_of(sorted(PRODUCTS), PRODUCTS))
    return train(*dataset(LINES), days_since_epoch(CUT_AT))


@pytest.fixture
def recommender(model: Model) -> Recommender:
    return Recommender(with_catalogue(model, PRODUCTS))


def test_every_column_is_filled_before_the_first_list(recommender: Recommender) -> None:
    _, empty = columns_of(recommender)
    assert empty
    work_out(recommender)
    filled, left = columns_of(recommender)
    assert left == set()
    assert filled >= empty


@pytest.mark.parametrize("placement", list(Placement))
def test_a_list_works_out_nothing_that_stays(recommender: Recommender, placement: Placement) -> None:
    work_out(recommender)
    filled, _ = columns_of(recommender)
    context = Context(CUT_AT, ("P004", "P005"), store_id="S1")
    asked = Request(placement, context, filters=Filters(categories=frozenset({"category 0"})), customer_id="C000")
    recommender.recommend(asked, past_of(receipts_of(LINES, "C000", CUT_AT)))
    later, _ = columns_of(recommender)
    # What a customer's preparation holds goes with it.
    assert {name for name in later - filled if not name.startswith(("History.", "Shopper.", "Prepared."))} == set()
