"""What each generator brings: every placement with and without it, offers read off what was paid, honest errors."""

import json
from dataclasses import asdict, replace
from datetime import timedelta
from io import StringIO

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from regulars.cli.evaluate_recommend import render_ablation
from regulars.evaluation.recommend import ablation_next, ablation_open
from regulars.evaluation.recommend.ablation import ablation
from regulars.evaluation.recommend.ablation_report import AS_SERVED, Ablation, Section, section, standard_error
from regulars.evaluation.recommend.ablation_trending import trending
from regulars.evaluation.recommend.data import Evaluated, evaluated
from regulars.evaluation.recommend.next_basket import temporal_cut
from regulars.evaluation.recommend.paid_prices import offers, paid
from services.recommend.domain.promotions import promotions_at
from tests.unit.recommend.factories import catalogue, day, town, with_amounts


@pytest.fixture(scope="module")
def data() -> Evaluated:
    return evaluated("town", with_amounts(town()), catalogue(60))


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def found(data: Evaluated, told: list[str]) -> Ablation:
    return ablation(data, told.append, customers=15, baskets=40)


def named(found: Ablation, title: str) -> Section:
    return next(each for each in found.sections if each.title.startswith(title))


def test_every_placement_is_asked_with_and_without_its_generators(found: Ablation) -> None:
    titles = [each.title.split(":")[0] for each in found.sections]
    assert set(titles) == {"for-you", "discover", "basket", "bought-together", "similar", "trending"}
    for each in found.sections:
        names = list(each.rows)
        assert names[0] == AS_SERVED
        assert len(names) > 1
        assert all(change.difference == change.error == 0 for change in each.rows[AS_SERVED].values())


def test_generators_of_the_rankers_are_each_switched_off(found: Ablation) -> None:
    following, opened = named(found, "for-you: the next"), named(found, "basket: one product hidden")
    assert following.lists == 15
    assert list(following.rows) == [
        AS_SERVED,
        "with promotions",
        *(f"without {generator.value}" for generator in ablation_next.GENERATORS),
    ]
    assert list(opened.rows) == [AS_SERVED, *(f"without {each.value}" for each in ablation_open.GENERATORS)]
    assert following.rows["without own_products"]["recall@10"].difference < 0


def test_discover_is_judged_by_what_was_new_alone(found: Ablation) -> None:
    assert list(named(found, "discover").rows[AS_SERVED]) == ["recall_new@10"]


def test_lists_whose_generators_are_all_off_are_filled_by_what_everybody_buys(found: Ablation) -> None:
    similar = named(found, "similar: another")
    assert similar.rows[AS_SERVED]["filled"].value > 0
    assert {"vectors without baskets", "vectors without content", "without item_vectors"} <= set(similar.rows)
    session = named(found, "for-you: nobody known, 1 open")
    assert session.rows[AS_SERVED]["filled"].value >= session.rows["without basket_items"]["filled"].value


def test_report_is_printed_and_written_as_json(found: Ablation, told: list[str]) -> None:
    text = StringIO()
    render_ablation(found, Console(file=text, width=220))
    assert "without own_trips" in text.getvalue()
    assert "±" in text.getvalue()
    assert json.loads(json.dumps(asdict(found)))["data"] == "town"
    assert any("without tifu" in line for line in told)


def test_data_without_amounts_have_no_row_of_offers(data: Evaluated) -> None:
    bare = replace(data, prices=None)
    sections = ablation_next.next_baskets(bare, temporal_cut(data.dataset) - 28, 5, lambda _: None)
    assert "with promotions" not in sections[0].rows
    assert paid(town()) is None


def test_offers_are_what_was_cheaper_in_the_days_before(data: Evaluated) -> None:
    prices = paid(with_amounts(town(customers=120)))
    assert prices is not None
    before, after = day(149.5), day(154.5)
    assert not list(offers(prices, before, 1))
    periods = list(offers(prices, after, 2))
    running = promotions_at(periods, None, after)
    assert set(running) <= {f"P{number:03d}" for number in range(10)}
    assert running
    assert all(each.percent == 25 and each.price_minor == 150 for each in running.values())
    assert all(each.until_at == after + timedelta(days=1) for each in running.values())
    assert not promotions_at(periods, None, after + timedelta(days=2))


def test_no_offer_is_known_from_a_later_receipt() -> None:
    lines = with_amounts(town(customers=120))
    known, whole = (paid(part) for part in (lines.filter(pl.col("at") < day(154.5)), lines))
    assert known is not None
    assert whole is not None
    assert list(offers(known, day(154.5), 1)) == list(offers(whole, day(154.5), 1))


def test_error_of_independent_lists_is_that_of_their_mean() -> None:
    gaps = np.random.default_rng(0).standard_normal(400)
    usual = gaps.std() / np.sqrt(gaps.size)
    assert standard_error(gaps, np.arange(400)) == pytest.approx(usual)


def test_lists_of_one_customer_count_together() -> None:
    gaps = np.repeat(np.random.default_rng(0).standard_normal(40), 10)
    owners = np.repeat(np.arange(40), 10)
    assert standard_error(gaps, owners) == pytest.approx(standard_error(gaps[::10], np.arange(40)))


def test_undefined_figures_are_left_out_of_difference_and_error() -> None:
    served = np.array([np.nan, 0.5, 0.25])
    made = section("x", {AS_SERVED: {"a": served}, "other": {"a": np.array([np.nan, 0.25, 0.25])}})
    change = made.rows["other"]["a"]
    assert (change.value, change.difference) == (0.25, -0.125)
    assert change.error == pytest.approx(np.sqrt(2 * 0.125**2) / 2)
    nothing = section("x", {AS_SERVED: {"a": np.full(2, np.nan)}}).rows[AS_SERVED]["a"]
    assert (nothing.value, nothing.error) == (0.0, 0.0)


def test_what_rises_is_told_from_what_is_always_bought() -> None:
    """P059 is new and sells more every day: only the list of what rises may prefer it to older best sellers."""
    lines = town(customers=30)
    late = lines.filter(pl.col("at") > pl.col("at").max() - timedelta(days=10)).unique(
        "basket_id", maintain_order=True
    )
    rising = pl.concat([lines, late.with_columns(pl.lit("new").alias("product_id"))])
    data = evaluated("town", rising, catalogue(60))
    found = trending(data, float(np.floor(data.dataset.at.max())), lambda _: None)[0]
    assert found.lists == 12
    assert found.rows["without trending"]["rise"].difference < 0


def test_too_short_a_history_has_no_section_of_trending(data: Evaluated) -> None:
    assert trending(data, float(data.dataset.at.min()) + 30, lambda _: None) == []
