"""Segments beside the store for those of whom little is known: others' purchases alone, and what they tell."""

import json
from dataclasses import replace
from io import StringIO

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from regulars.cli.evaluate_recommend_parts import render_part
from regulars.evaluation.recommend import new_segments
from regulars.evaluation.recommend.data import Evaluated, evaluated, said_of_themselves
from regulars.evaluation.recommend.new_customers import IN_STORE
from regulars.evaluation.recommend.new_segments import TASTE, Crowd, evaluate_segments
from regulars.evaluation.recommend.next_basket import temporal_cut
from regulars.evaluation.recommend.tastes import by_category, tastes_of
from services.recommend.history import Floats
from tests.unit.recommend.factories import catalogue, town

CUSTOMERS = 120


@pytest.fixture(scope="module")
def data() -> Evaluated:
    """Whoever said "b" buys P050, P052, ... every week; whoever said "a", P051, P053, ...: one category each."""
    lines = town(customers=CUSTOMERS, weeks=20)
    is_b = pl.col("customer_id").str.slice(1).cast(pl.Int64) % 2 == 0
    number = pl.col("product_id").str.slice(1).cast(pl.Int64) % 10
    favourite = 50 + number - number % 2 + pl.when(is_b).then(0).otherwise(1)
    extra = lines.unique("basket_id", maintain_order=True).with_columns(
        pl.concat_str(pl.lit("P0"), favourite.cast(pl.String)).alias("product_id")
    )
    made = evaluated("town", pl.concat([lines, extra]), catalogue(60))
    said = [int(name[1:]) % 2 for name in made.dataset.customer_ids]
    return replace(made, said={"letter": np.array(said, np.int64)})


@pytest.fixture(scope="module")
def cut(data: Evaluated) -> float:
    return temporal_cut(data.dataset) - 28


def test_a_segment_that_buys_otherwise_than_the_store_finds_more(data: Evaluated) -> None:
    report = evaluate_segments(data)
    group = report["groups"]["nothing bought, letter known"]
    assert group["customers"] > 100
    found = {way: metrics["recall@10"] for way, metrics in group["metrics"].items()}
    assert found["segment"] > found[IN_STORE] + 0.02
    assert found["store, weighed by the segment"] > found[IN_STORE]
    assert group["differences"]["to"]["segment"]["recall@10"][2] < 0


def test_what_is_owned_is_not_listed_again(monkeypatch: pytest.MonkeyPatch, data: Evaluated) -> None:
    monkeypatch.setattr(new_segments, "MEMBERS_LEAST", 3)
    report = evaluate_segments(data)
    known = report["groups"]["last 1 baskets, what is new"]
    assert all(metrics["recall_repeat@10"] == 0 for metrics in known["metrics"].values())
    assert any(metrics["recall_new@10"] > 0 for metrics in known["metrics"].values())


def test_report_is_printed_and_written_as_json(data: Evaluated) -> None:
    report, text = evaluate_segments(data), StringIO()
    render_part(report, Console(file=text, width=200))
    assert "store, weighed by the segment" in text.getvalue()
    assert json.loads(json.dumps(report)) == report


def test_nobody_is_judged_by_their_own_purchases(data: Evaluated, cut: float) -> None:
    """A crowd of some customers is the same whatever the others buy."""
    is_member = np.arange(len(data.dataset.customer_ids)) % 3 > 0
    theirs = is_member[data.dataset.owner].repeat(data.dataset.sizes)
    shuffled = np.where(theirs, data.dataset.product, data.dataset.product[::-1])
    other = replace(data, dataset=replace(data.dataset, product=shuffled))
    one, two = (Crowd(each, cut, is_member) for each in (data, other))
    assert np.array_equal(one.popularity.chain, two.popularity.chain)
    assert np.array_equal(one.segments[TASTE][is_member], two.segments[TASTE][is_member])
    for kind, segment in (("letter", 0), ("letter", 1), (TASTE, int(one.segments[TASTE][is_member][0]))):
        mine, same = one.sales(kind, segment), two.sales(kind, segment)
        assert (mine is None) == (same is None)
        if mine is not None and same is not None:
            assert np.array_equal(mine.by_segment[kind][1], same.by_segment[kind][1])


def test_nothing_after_the_moment_is_counted(data: Evaluated, cut: float) -> None:
    everybody = np.ones(len(data.dataset.customer_ids), np.bool_)
    late = (data.dataset.at >= cut).repeat(data.dataset.sizes)
    other = replace(data, dataset=replace(data.dataset, product=np.where(late, 0, data.dataset.product)))
    one, two = (Crowd(each, cut, everybody) for each in (data, other))
    assert np.array_equal(one.popularity.chain, two.popularity.chain)
    assert np.array_equal(one.segments[TASTE], two.segments[TASTE])


def test_what_is_not_known_or_too_small_is_no_segment(data: Evaluated, cut: float) -> None:
    crowd = Crowd(data, cut, np.arange(len(data.dataset.customer_ids)) < 15)
    assert crowd.sales("letter", -1) is None
    assert crowd.sales("letter", 0) is None


def test_answers_become_codes_in_the_order_of_customers() -> None:
    answers = pl.DataFrame({"household_id": ["H2", "H1", "H3"], "age": ["30", "20", None], "kids": ["1", "1", "0"]})
    found = said_of_themselves(["H1", "H2", "H3", "H4"], answers)
    assert {name: codes.tolist() for name, codes in found.items()} == {"age": [0, 1, -1, -1], "kids": [1, 1, 0, -1]}


def test_customers_of_one_taste_are_together() -> None:
    counts = np.zeros((40, 4))
    counts[:20, :2], counts[20:, 2:] = 3, 5
    found = tastes_of(counts, tastes=2).nearest(counts)
    assert np.unique(found[:20]).size == np.unique(found[20:]).size == 1
    assert found[0] != found[-1]


@given(
    counts=st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=12),
    tastes=st.integers(1, 8),
)
def test_everybody_has_one_taste_however_little_they_bought(counts: list[list[int]], tastes: int) -> None:
    rows: Floats = np.array(counts, np.float64)
    made = tastes_of(rows, tastes)
    assert np.isfinite(made.centres).all()
    found = made.nearest(rows)
    assert found.shape == (len(counts),)
    assert ((found >= 0) & (found < min(tastes, len(counts)))).all()


def test_what_has_no_category_says_nothing_of_a_taste() -> None:
    found = by_category(np.array([1, -1, 0]), np.array([0, 1, 2, 2]), np.array([0, 0, 1, 1]), 3)
    assert found.tolist() == [[0, 1], [2, 0], [0, 0]]
