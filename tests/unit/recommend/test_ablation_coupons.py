"""What coupons bring: held as the data know it, used where the basket holds them, judged beside lists without any."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from regulars.datasets.completejourney import CompleteJourney
from regulars.evaluation.recommend.ablation_coupons import IMPERSONAL, WITHOUT, coupons, uses_within
from regulars.evaluation.recommend.ablation_report import AS_SERVED
from regulars.evaluation.recommend.coupons import CouponHistory, coupons_of, local_date
from regulars.evaluation.recommend.data import Evaluated, evaluated
from regulars.evaluation.recommend.next_basket import temporal_cut
from tests.unit.recommend.factories import catalogue, town

DAY = date(2026, 3, 2)


def history(
    held: Sequence[tuple[str, str]], covered: dict[str, list[str]], used: Sequence[tuple[str, date, str]]
) -> CouponHistory:
    """Coupons that run all the time."""
    ends = (date(2020, 1, 1), date(2030, 1, 1))
    return CouponHistory(
        pl.DataFrame(
            [(*each, *ends) for each in held], schema=["customer_id", "coupon_id", "start", "end"], orient="row"
        ),
        pl.DataFrame(
            [(coupon, product) for coupon, products in covered.items() for product in products],
            schema=["coupon_id", "product_id"],
            orient="row",
        ),
        pl.DataFrame(used, schema={"customer_id": pl.String, "day": pl.Date, "coupon_id": pl.String}, orient="row"),
    )


@pytest.fixture(scope="module")
def plain() -> Evaluated:
    return evaluated("town", town(), catalogue(60))


@pytest.fixture(scope="module")
def cut(plain: Evaluated) -> float:
    return temporal_cut(plain.dataset) - 28


def favourite(data: Evaluated, customer: int) -> int:
    """Return the product that a customer bought most."""
    first, end = data.dataset.basket_starts[customer : customer + 2]
    lines = slice(data.dataset.line_starts[first], data.dataset.line_starts[end])
    return int(np.bincount(data.dataset.product[lines]).argmax())


def with_coupons(data: Evaluated, cut: float) -> Evaluated:
    """Everybody holds a coupon for their own favourite and one for what hardly anybody buys, and uses the first."""
    held, used, covered = [], [], {"c/rare": ["P059", "P058"]}
    for customer, name in enumerate(data.dataset.customer_ids):
        product = favourite(data, customer)
        coupon = f"c/{product}"
        covered[coupon] = [data.dataset.product_ids[product]]
        held += [(name, coupon), (name, "c/rare")]
        first, end = data.dataset.basket_starts[customer : customer + 2]
        used += [
            (name, local_date(float(data.dataset.at[basket])), coupon)
            for basket in range(int(first), int(end))
            if cut <= data.dataset.at[basket] < cut + 28 and product in data.dataset.basket(basket)
        ]
    return replace(data, coupons=history(held, covered, used))


def test_a_coupon_is_held_while_its_campaign_runs() -> None:
    source = history([("C1", "c/1")], {"c/1": ["P1"]}, [])
    only_today = source.held.with_columns(pl.lit(DAY).alias("start"), pl.lit(DAY).alias("end"))
    held = replace(source, held=only_today)
    assert held.held_by("C1", DAY) == ["c/1"]
    assert held.held_by("C2", DAY) == []
    assert held.held_by("C1", DAY - timedelta(days=1)) == held.held_by("C1", DAY + timedelta(days=1)) == []


def test_coupons_of_one_day_are_used_together_and_in_order() -> None:
    used = [("C2", DAY, "c/2"), ("C1", DAY, "c/2"), ("C1", DAY, "c/1"), ("C1", DAY + timedelta(days=5), "c/1")]
    found = list(history([], {}, used).uses(DAY, DAY + timedelta(days=5)))
    assert found == [("C1", DAY, ["c/1", "c/2"]), ("C2", DAY, ["c/2"])]


def test_campaigns_that_chose_coupons_for_each_household_are_left_out() -> None:
    def ids(**columns: list[str]) -> pl.DataFrame:
        return pl.DataFrame(columns)

    dates = pl.DataFrame({"start_date": [DAY] * 2, "end_date": [DAY] * 2})
    made = CompleteJourney(
        lines=pl.DataFrame(),
        products=pl.DataFrame(),
        demographics=pl.DataFrame(),
        campaigns=ids(campaign_id=["1", "2", "2"], household_id=["H1", "H1", "H2"]),
        campaign_descriptions=pl.concat(
            [ids(campaign_id=["1", "2"], campaign_type=["Type A", "Type B"]), dates], how="horizontal"
        ),
        coupons=ids(coupon_upc=["u", "u", "v"], product_id=["P1", "P2", "P3"], campaign_id=["1", "2", "2"]),
        redemptions=ids(household_id=["H1", "H1"], coupon_upc=["u", "u"], campaign_id=["1", "2"]).with_columns(
            pl.lit(DAY).alias("redemption_date")
        ),
    )
    found = coupons_of(made)
    assert found.products_of == {"2/u": ["P2"], "2/v": ["P3"]}
    assert found.held_by("H1", DAY) == found.held_by("H2", DAY) == ["2/u", "2/v"]
    assert list(found.uses(DAY, DAY + timedelta(days=1))) == [("H1", DAY, ["2/u"])]


def test_what_was_bought_with_a_coupon_is_in_a_basket_of_that_day(plain: Evaluated, cut: float) -> None:
    data = with_coupons(plain, cut)
    assert data.coupons is not None
    found = list(uses_within(data, data.coupons, cut, cut + 28))
    assert len(found) > 30
    for use in found:
        assert cut <= data.dataset.at[use.basket] < cut + 28
        assert use.wanted.tolist() == [favourite(data, use.customer)]
        assert np.isin(use.wanted, data.dataset.basket(use.basket)).all()
        assert {each.campaign_id for each in use.coupons} == {"c"}
        assert len(use.coupons) == 2


def test_coupons_nobody_bought_anything_with_ask_nothing(plain: Evaluated, cut: float) -> None:
    day = local_date(cut)
    strangers = [("C000", day, "c/none"), ("nobody", day, "c/none")]
    known = history([("C000", "c/none")], {"c/none": ["not sold here"]}, strangers)
    assert list(uses_within(plain, known, cut, cut + 28)) == []
    assert coupons(replace(plain, coupons=known), cut, np.arange(40), lambda _: None) == []


def test_data_without_coupons_have_no_section(plain: Evaluated, cut: float) -> None:
    assert coupons(plain, cut, np.arange(40), lambda _: None) == []


def test_coupons_put_what_is_bought_with_them_in_front(plain: Evaluated, cut: float) -> None:
    found = coupons(with_coupons(plain, cut), cut, np.arange(40), lambda _: None)[0]
    assert list(found.rows) == [AS_SERVED, WITHOUT, IMPERSONAL]
    served = found.rows[AS_SERVED]
    assert served["hit@10"].value == 1.0
    assert served["mrr@20"].value > found.rows[WITHOUT]["mrr@20"].value
    assert served["mrr@20"].value >= found.rows[IMPERSONAL]["mrr@20"].value
