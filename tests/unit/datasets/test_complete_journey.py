import polars as pl
import pytest

from regulars.datasets import completejourney
from regulars.datasets.completejourney import CompleteJourney


@pytest.fixture(scope="module")
def data() -> CompleteJourney:
    return completejourney.load(households=40)


def test_the_year_has_local_days_zero_to_364(data: CompleteJourney) -> None:
    assert data.lines["day"].min() >= 0  # type: ignore[operator]
    assert data.lines["day"].max() == 364


def test_weeks_of_the_data_begin_at_local_midnight(data: CompleteJourney) -> None:
    local = pl.col("at").dt.convert_time_zone(completejourney.TIME_ZONE)
    quiet = data.lines.unique("basket_id").select(local.dt.hour().is_between(2, 4).mean()).item()
    assert quiet < 0.02


def test_amounts_are_whole_cents_and_discounts_add_up(data: CompleteJourney) -> None:
    lines = data.lines
    parts = ["retail_discount_minor", "coupon_discount_minor", "coupon_match_minor"]
    assert lines.select((pl.sum_horizontal(parts) == pl.col("discount_minor")).all()).item()
    assert lines["amount_minor"].dtype == pl.Int64
    assert lines["amount_minor"].min() >= 0  # type: ignore[operator]


def test_lines_are_numbered_within_their_basket(data: CompleteJourney) -> None:
    numbered = data.lines.group_by("basket_id").agg(pl.col("line_number").max(), pl.len())
    assert numbered.select((pl.col("line_number") == pl.col("len")).all()).item()


def test_more_households_contain_the_fewer_ones(data: CompleteJourney) -> None:
    fewer = completejourney.load(households=10)
    few, many = (set(one.lines["customer_id"].unique()) for one in (fewer, data))
    assert (len(few), len(many)) == (10, 40)
    assert few < many
    mine = data.lines.filter(pl.col("customer_id").is_in(few))
    assert mine.equals(fewer.lines)


def test_other_tables_belong_to_the_chosen_households(data: CompleteJourney) -> None:
    chosen = set(data.lines["customer_id"].unique())
    for table in (data.demographics, data.campaigns, data.redemptions):
        assert set(table["household_id"].unique()) <= chosen


def test_nearly_every_line_has_a_described_product(data: CompleteJourney) -> None:
    unknown = data.lines.join(data.products, on="product_id", how="anti")
    assert len(unknown) < 0.01 * len(data.lines)
