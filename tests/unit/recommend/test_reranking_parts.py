"""Frequency cap, exploration, sizes and substitutes, with plain values."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.domain.arranging import stepped_back
from services.recommend.domain.capping import Exposure, FrequencyCap
from services.recommend.domain.exploration import Exploration, Novelty, drawn, propensity_of
from services.recommend.domain.products import Product
from services.recommend.domain.sizes import Dimension, Size, size_of
from services.recommend.domain.substitutes import substitutes_of
from services.recommend.history import Ints, Matrix

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def shown(*lists: tuple[float, str]) -> Exposure:
    return Exposure([(NOW - timedelta(days=days), names.split()) for days, names in lists])


def test_what_was_shown_often_enough_within_the_days_is_capped() -> None:
    cap = FrequencyCap(2, 7)
    assert cap.capped(shown((1, "a b"), (2, "a"), (8, "b b")), NOW) == {"a"}


def test_click_or_purchase_starts_the_count_anew() -> None:
    cap, lists = FrequencyCap(2, 7), shown((3, "a"), (2, "a"), (1, "a")).shown
    assert cap.capped(Exposure(lists, {"a": NOW - timedelta(days=1.5)}), NOW) == frozenset()
    assert cap.capped(Exposure(lists, {"a": NOW - timedelta(days=2.5)}), NOW) == {"a"}


def test_what_is_shown_later_than_now_does_not_count() -> None:
    assert FrequencyCap(1, 7).capped(shown((-1, "a")), NOW) == frozenset()


def test_capped_products_come_last_in_their_own_order() -> None:
    order: Ints = np.array([3, 1, 2, 0])
    assert stepped_back(order, np.array([3, 2])).tolist() == [1, 0, 3, 2]
    assert stepped_back(order, np.empty(0, np.int64)).tolist() == [3, 1, 2, 0]


NEW = [Novelty(4, 100, 30), Novelty(7, 10, 0), Novelty(9)]


def test_same_request_draws_the_same_product() -> None:
    request_id = uuid4()
    how = Exploration()
    assert drawn(request_id, NEW, how) == drawn(request_id, list(reversed(NEW)), how)


@pytest.mark.parametrize(
    "how", [Exploration(), Exploration(share=0.3, random_share=1.0), Exploration(random_share=0.1)]
)
def test_propensity_is_the_share_of_requests_that_get_the_product(how: Exploration) -> None:
    requests = [UUID(int=n * 7919) for n in range(20_000)]
    found = [drawn(request_id, NEW, how) for request_id in requests]
    for each in NEW:
        mine = [one for one in found if one is not None and one.product == each.product]
        assert mine
        expected = mine[0].propensity
        assert {one.propensity for one in mine} == {expected}
        assert abs(len(mine) / len(requests) - expected) < 0.015
    assert sum(propensity_of(each.product, NEW, how) for each in NEW) == pytest.approx(how.share)


def test_nothing_new_draws_nothing() -> None:
    assert drawn(uuid4(), [], Exploration()) is None


@pytest.mark.parametrize(
    ("text", "amount", "dimension"),
    [
        ("500 g", 500, Dimension.MASS),
        ("12 OZ", 340.194, Dimension.MASS),
        ("1 1/2 LB", 680.389, Dimension.MASS),
        ("1/2 GAL", 1892.706, Dimension.VOLUME),
        ("6 x 330 ml", 1980, Dimension.VOLUME),
        ("6X330ML", 1980, Dimension.VOLUME),
        ("6/12 OZ", 2041.166, Dimension.MASS),
        ("12 PK 12 OZ", 4082.331, Dimension.MASS),
        ("1,5 l", 1500, Dimension.VOLUME),
        ("1,000 g", 1000, Dimension.MASS),
        ("16.9 FL OZ", 499.797, Dimension.VOLUME),
        ("500克", 500, Dimension.MASS),
        ("2 公斤", 2000, Dimension.MASS),
        ("6 CT", 6, Dimension.COUNT),
        ("30 SQ FT", 2.787, Dimension.AREA),
        ("12 OZ BAG", 340.194, Dimension.MASS),
    ],
)
def test_sizes_as_shops_write_them(text: str, amount: float, dimension: Dimension) -> None:
    found = size_of(text)
    assert found is not None
    assert found.dimension is dimension
    assert found.amount == pytest.approx(amount, rel=1e-4)


@pytest.mark.parametrize("text", [None, "", "LARGE", "0 g", "g 5", "12", "1/0 lb", "x 330 ml", "9" * 80])
def test_what_cannot_be_measured_has_no_size(text: str | None) -> None:
    assert size_of(text) is None


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = size_of(text)
    assert found is None or (isinstance(found, Size) and found.amount > 0)


def yoghurt(name: str, size: str | None, price: int | None, kind: str | None = "yoghurt") -> Product:
    return Product(name, product_type=kind, size=size, price_minor=price)


YOGHURTS = [
    yoghurt("plain 500", "500 g", 100),
    yoghurt("same 500", "500 g", 105),
    yoghurt("cup 150", "150 g", 30),
    yoghurt("dear 500", "500 g", 400),
    yoghurt("unknown", None, None),
    yoghurt("milk", "500 g", 100, "milk"),
    yoghurt("no type", "500 g", 100, None),
]
KINDS = np.array([0, 0, 0, 0, 0, 1, -1])


def instead_of(product: int, allowed: list[int] | None = None, vectors: Matrix | None = None) -> list[str]:
    mask = np.zeros(len(YOGHURTS), np.bool_)
    mask[allowed if allowed is not None else list(range(len(YOGHURTS)))] = True
    like = np.zeros((len(YOGHURTS), 2), np.float32) if vectors is None else vectors
    found, scores = substitutes_of(YOGHURTS, KINDS).of(product, like, mask)
    assert (np.diff(scores) <= 0).all()
    return [YOGHURTS[n].product_id for n in found]


def test_substitute_is_of_the_same_type_near_in_size_and_in_price() -> None:
    assert instead_of(0)[0] == "same 500"
    assert "milk" not in instead_of(0)
    assert "plain 500" not in instead_of(0)


def test_only_what_is_allowed_stands_in() -> None:
    assert instead_of(0, allowed=[2, 5]) == ["cup 150"]
    assert instead_of(0, allowed=[]) == []


def test_product_without_a_type_has_no_substitute() -> None:
    assert instead_of(6) == []


def test_alike_vectors_decide_between_equals() -> None:
    vectors = np.zeros((len(YOGHURTS), 2), np.float32)
    vectors[[0, 4]] = [1, 0]
    assert instead_of(0, allowed=[2, 4], vectors=vectors)[0] == "unknown"


def test_price_tiers_are_terciles_of_the_price_per_unit() -> None:
    products = [yoghurt(f"{n}", "100 g", 10 * n) for n in range(1, 7)]
    tiers = substitutes_of(products, np.zeros(6, np.int64)).tiers
    assert tiers.tolist() == [0, 0, 1, 1, 2, 2]
